"""The recorded signatures of the official signer, verified by the simulator."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.simulator.auth import Caller, Key, Keyring, RawRequest, canonical_request, parse_sdk_date
from bulk.simulator.error_answers import ErrorAnswer
from tests.simulator_caller import outcome

VECTORS = orjson.loads((Path(__file__).parent / "signing-vectors.json").read_bytes())["vectors"]
DERIVED = "derived-v11"  # V11-HMAC-SHA256: VPCEP does not use it
SCOPED = {
    ("", ""): "ec385090522c25504a5b574c7195ac56bf37081d90f74fc093a2676f906cb057",
    ("", "service"): "1feb87f00aa9a1ff67e17b7166f9e3f599ae8e134e38817bdf3135efa5317535",
    ("region", ""): "0fc9c2559c07ac70d086fa9bef16f34273b7886b3d1b57f5b5af8e88769f2c8e",
    ("region", "service"): "8bdb0e44341d71482390afe6536fa5f3ecfa6da7956ee95d1f8a60b7ab871240",
}
"""Signatures of the older form by region and service (API.md, section 4.5)."""


def received(vector: dict[str, Any]) -> RawRequest:
    """Return the request as it would arrive."""
    sent, given = vector["expect"], vector["input"]
    path, _, query = sent["sent_uri"].partition("?")
    headers = {name.lower(): value for name, value in sent["sent_headers"].items()}
    return RawRequest(
        method=given["method"], path=path, query=query, headers=headers, body=(given["body"] or "").encode()
    )


def authenticated(vector: dict[str, Any], request: RawRequest) -> Caller | ErrorAnswer:
    """Return what a simulator with this key says at the moment that the request states."""
    given = vector["input"]
    key = Key(ak=given["ak"], sk=given["sk"], security_token=given["security_token"])
    now_s = parse_sdk_date(request.headers["x-sdk-date"])
    assert now_s is not None
    return outcome(Keyring(keys={key.ak: key}).authenticate, request, now_s)


def by_name(vector: dict[str, Any]) -> str:
    """Return a vector's name."""
    return str(vector["name"])


@pytest.mark.parametrize("vector", VECTORS, ids=by_name)
def test_the_canonical_request_is_the_official_signers(vector: dict[str, Any]) -> None:
    """Rebuilt from the raw request alone, byte for byte."""
    assert (
        canonical_request(received(vector), vector["expect"]["signed_headers"])
        == vector["expect"]["canonical_request"]
    )


@pytest.mark.parametrize("vector", [one for one in VECTORS if one["name"] != DERIVED], ids=by_name)
def test_the_official_signature_opens(vector: dict[str, Any]) -> None:
    """Every vector but the derived one."""
    outcome = authenticated(vector, received(vector))
    assert outcome == Caller(name=vector["input"]["ak"], project_id=None)


@pytest.mark.parametrize("vector", [one for one in VECTORS if one["name"] != DERIVED], ids=by_name)
def test_a_signature_with_one_digit_changed_does_not_open(vector: dict[str, Any]) -> None:
    """And is answered with the canonical request of the server."""
    request = received(vector)
    value = request.headers["authorization"]
    request.headers["authorization"] = value[:-1] + ("0" if value[-1] != "0" else "1")
    outcome = authenticated(vector, request)
    assert isinstance(outcome, ErrorAnswer)
    assert vector["expect"]["canonical_request"] in outcome.message


def test_the_derived_algorithm_is_refused() -> None:
    """VPCEP does not use the derived form (API.md, section 4.2)."""
    vector = next(one for one in VECTORS if one["name"] == DERIVED)
    assert isinstance(authenticated(vector, received(vector)), ErrorAnswer)


def scoped(region: str, service: str, hmac: str, *, day: str = "19700101") -> Caller | ErrorAnswer:
    """Return what a simulator says of the recorded request with a signature of the older form."""
    scope = f"{day}/{region}/{service}/sdk_request"
    headers = {
        "host": "example.com",
        "x-project-id": "project",
        "x-sdk-date": "19700101T000001Z",
        "authorization": f"SDK-HMAC-SHA256 Credential=ak/{scope}, "
        f"SignedHeaders=host;x-project-id;x-sdk-date, Signature={hmac}",
    }
    request = RawRequest(method="GET", path="/", query="", headers=headers, body=b"")
    return outcome(Keyring(keys={"ak": Key(ak="ak", sk="sk")}).authenticate, request, 1.0)


@pytest.mark.parametrize(("region", "service"), SCOPED)
def test_a_recorded_signature_of_the_older_form_opens(region: str, service: str) -> None:
    """With and without a region and a service: OTC's Go library leaves both empty."""
    assert scoped(region, service, SCOPED[region, service]) == Caller(name="ak", project_id=None)


@pytest.mark.parametrize("claimed", [("region", ""), ("", "service"), ("", "")])
def test_a_signature_of_the_older_form_opens_in_its_own_scope_alone(claimed: tuple[str, str]) -> None:
    """Another region or service was not signed; nor was another day."""
    hmac = SCOPED["region", "service"]
    assert isinstance(scoped(*claimed, hmac), ErrorAnswer)
    refused = scoped("region", "service", hmac, day="19700102")
    assert isinstance(refused, ErrorAnswer)
    assert "another day" in refused.message
