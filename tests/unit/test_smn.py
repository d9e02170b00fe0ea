"""Messages to SMN: where they go, and what the request is."""

import orjson
import pytest

from bulk.errors import UsageError
from bulk.simulator.error_answers import ErrorAnswer
from bulk.simulator.projects import Projects
from bulk.simulator.smn_server import published, target_of
from bulk.vpcep.regions import parse_endpoint
from bulk.vpcep.smn import MESSAGE_BYTES_MAX, SUBJECT_BYTES_MAX, publish, smn_endpoint, topic_of

PROJECT = "6e9dfd51d1124e8d8498dce894923a0d"
TOPIC = topic_of(f"smn:urn:smn:cn-north-4:{PROJECT}:bulk-ops")


@pytest.mark.parametrize(
    ("api", "env", "smn"),
    [
        ("https://vpcep.cn-north-4.myhuaweicloud.com", {}, "https://smn.cn-north-4.myhuaweicloud.com"),
        ("https://vpcep.cn-east-3.myhuaweicloud.com", {}, "https://smn.cn-north-4.myhuaweicloud.com"),
        ("https://vpcep.eu-de.otc.t-systems.com", {}, "https://smn.cn-north-4.otc.t-systems.com"),
        ("http://127.0.0.1:8080", {}, "http://127.0.0.1:8080"),
        (
            "https://gateway.example.com",
            {"HUAWEICLOUD_SDK_REGION_SMN_CN_NORTH_4": "https://smn.example.com"},
            "https://smn.example.com",
        ),
    ],
)
def test_smn_is_in_the_cloud_of_the_api_and_in_the_region_of_the_topic(
    api: str, env: dict[str, str], smn: str
) -> None:
    """Unless a variable names it, as the official SDK has such variables."""
    assert str(smn_endpoint(TOPIC, api=parse_endpoint(api), env=env)) == smn


def test_beside_an_api_of_any_other_name_no_address_is_guessed() -> None:
    """The variable that names it is."""
    with pytest.raises(UsageError) as caught:
        smn_endpoint(TOPIC, api=parse_endpoint("https://gateway.example.com"), env={})
    assert caught.value.hint == "set HUAWEICLOUD_SDK_REGION_SMN_CN_NORTH_4=https://HOST"


def test_the_simulator_takes_what_is_published() -> None:
    """The path as it is sent and signed, and texts cut to what SMN takes."""
    request = publish(TOPIC, subject="é" * 1_000, message="口" * 100_000)
    assert (request.method, target_of(request.path)) == ("POST", (PROJECT, TOPIC.urn))
    projects = Projects()
    projects.add(PROJECT)
    taken = published(request.body, PROJECT, TOPIC.urn, projects)
    assert len(taken["subject"].encode()) <= SUBJECT_BYTES_MAX
    assert MESSAGE_BYTES_MAX - 3 <= len(taken["message"].encode()) <= MESSAGE_BYTES_MAX


@pytest.mark.parametrize(
    ("body", "urn"),
    [
        (b"{", TOPIC.urn),
        (b"[]", TOPIC.urn),
        (orjson.dumps({"subject": "s"}), TOPIC.urn),
        (orjson.dumps({"message": ""}), TOPIC.urn),
        (orjson.dumps({"message": "m", "subject": "s" * 513}), TOPIC.urn),
        (orjson.dumps({"message": "m"}), "urn:smn:cn-north-4:other:bulk-ops"),
        (orjson.dumps({"message": "m"}), f"urn:smn:cn-east-3:{PROJECT}:bulk-ops"),
    ],
)
def test_the_simulator_refuses_what_smn_does(body: bytes, urn: str) -> None:
    """Bodies that are none, and topics that are not there."""
    projects = Projects()
    projects.add(PROJECT)
    with pytest.raises(ErrorAnswer):
        published(body, PROJECT, urn, projects)
    assert target_of("/v2/a/notifications/topics") is None
