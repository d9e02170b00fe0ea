"""Simple Message Notification: a message to all that subscribe to a topic.

Source: "Publishing Messages in the Text Format", SMN API Reference (support.huaweicloud.com/intl/en-us/
eu-west-0-api-smn/smn_api_54001.html): a subject of at most 512 characters, a message of at most 256 KB.
Requests are signed as those of any other service (API.md, section 4.2).
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

import orjson

from bulk.errors import UsageError
from bulk.operations.bots import shortened
from bulk.vpcep.regions import Endpoint, parse_endpoint
from bulk.vpcep.requests import Request

SUBJECT_BYTES_MAX, MESSAGE_BYTES_MAX = 512, 256 * 1024
_VPCEP = re.compile(r"https://vpcep\.[^.]+\.")


class Topic(NamedTuple):
    """A topic, which is of one project in one region."""

    urn: str
    region: str
    project_id: str


def topic_of(to: str) -> Topic:
    """Return the topic of `smn:urn:smn:REGION:PROJECT:NAME`."""
    urn = to.removeprefix("smn:")
    _, _, region, project_id, _ = urn.split(":")
    return Topic(urn=urn, region=region, project_id=project_id)


def smn_endpoint(topic: Topic, *, api: Endpoint, env: Mapping[str, str]) -> Endpoint:
    """Return the address of SMN in the region of a topic; raises UsageError where it is not known.

    `HUAWEICLOUD_SDK_REGION_SMN_<REGION>` of `env` goes first. Else it is in the cloud of the endpoint service
    (`api`); on this machine it is the same server, as the simulator is.
    """
    variable = f"HUAWEICLOUD_SDK_REGION_SMN_{topic.region.upper().replace('-', '_')}"
    if named := env.get(variable, "").split(",")[0].strip():
        return parse_endpoint(named)
    if api.loopback:
        return api
    address, known = _VPCEP.subn(f"https://smn.{topic.region}.", str(api))
    if not known:
        raise UsageError(f"the address of SMN beside {api} is unknown", hint=f"set {variable}=https://HOST")
    return parse_endpoint(address)


def publish(topic: Topic, *, subject: str, message: str) -> Request:
    """Return `POST /v2/{project_id}/notifications/topics/{topic_urn}/publish`."""
    path = f"/v2/{quote(topic.project_id, safe='')}/notifications/topics/{quote(topic.urn, safe='')}/publish"
    whole = {
        "subject": shortened(subject, SUBJECT_BYTES_MAX),
        "message": shortened(message, MESSAGE_BYTES_MAX),
    }
    return Request(method="POST", path=path, body=orjson.dumps(whole))
