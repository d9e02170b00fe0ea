"""The official SDK's own ways to temporary keys: it understands the servers that play them here."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huaweicloudsdkcore.auth.internal import IamHelper, StsHelper
from huaweicloudsdkcore.auth.provider import (
    EnvCredentialProvider,
    OidcStsCredentialProvider,
    PodIdentityCredentialProvider,
)
from huaweicloudsdkcore.exceptions.exceptions import SdkException
from huaweicloudsdkvpcep.v1 import ListServiceDetailsRequest, VpcepClient

from bulk.simulator import Simulator
from bulk.simulator.fleet_lines import domain_id
from tests.simulator_caller import PROJECT, line, service_id

pytestmark = pytest.mark.filterwarnings("ignore:Unable to convert string to datetime:ImportWarning")

PROVIDERS = {
    "oidc": OidcStsCredentialProvider.get_basic,
    "identity provider": EnvCredentialProvider.get_basic,
    "pod": PodIdentityCredentialProvider.get_basic,
}


def variables(simulator: Simulator, token_file: Path) -> dict[str, str]:
    """Return all variables that the SDK reads for these."""
    user = simulator.identity
    return {
        "HUAWEICLOUD_SDK_PROJECT_ID": PROJECT,
        IamHelper.IAM_ENDPOINT_ENV_NAME: simulator.url,
        StsHelper.STS_ENDPOINT_ENV_NAME: simulator.url,
        "HUAWEICLOUD_OIDC_PROVIDER_URN": f"iam::{domain_id()}:oidcProvider:{user.idp_id}",
        "HUAWEICLOUD_OIDC_AGENCY_URN": f"iam::{domain_id()}:agency:{user.agency}",
        "HUAWEICLOUD_OIDC_TOKEN_FILE": str(token_file),
        "HUAWEICLOUD_SDK_IDP_ID": user.idp_id,
        "HUAWEICLOUD_SDK_ID_TOKEN_FILE": str(token_file),
        "HC_CONTAINER_CREDENTIALS_FULL_URI": f"{simulator.url}/pod-identity",
        "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token_file),
    }


async def asked(
    simulator: Simulator,
    provider: Callable[[], Any],
    token: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """Return a service as the SDK gets it with the credentials of a provider."""
    token_file = folder / "token"
    token_file.write_text(token)
    for name, text in variables(simulator, token_file).items():
        monkeypatch.setenv(name, text)

    def show() -> Any:
        credentials = provider().get_credentials().with_project_id(PROJECT)
        client = VpcepClient.new_builder().with_credentials(credentials).with_endpoint(simulator.url).build()
        return client.list_service_details(ListServiceDetailsRequest(service_id(1)))

    return await asyncio.to_thread(show)


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_the_sdk_exchanges_its_credentials_and_is_let_in(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the requests that API.md, section 4.6, has from its source."""
    async with Simulator(fleet=[line(1)]) as simulator:
        token = simulator.identity.id_token
        shown = await asked(simulator, PROVIDERS[kind], token, tmp_path, monkeypatch)
    assert shown.id == service_id(1)


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_a_wrong_token_is_refused_as_the_sdk_understands(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises its own error."""
    async with Simulator(fleet=[line(1)]) as simulator:
        with pytest.raises(SdkException):
            await asked(simulator, PROVIDERS[kind], "another", tmp_path, monkeypatch)
