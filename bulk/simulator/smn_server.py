"""Simple Message Notification: publishing to a topic, and nothing else.

Every topic of a known project exists and has no subscriber: what was published is kept, to be looked at.
Source: "Publishing Messages in the Text Format", SMN API Reference (`POST /v2/{project_id}/notifications/
topics/{topic_urn}/publish`: `subject` of at most 512 characters, `message` of at most 256 KB). The error
codes are the simulator's own: that document has none.
"""

import re
from typing import Any
from urllib.parse import unquote

import orjson

from bulk.simulator.error_answers import ErrorAnswer
from bulk.simulator.projects import Projects

SUBJECT_CHARS_MAX, MESSAGE_BYTES_MAX = 512, 256 * 1024
KEPT_MAX = 1_000
"""Messages that are kept, the last ones."""
_PATH = re.compile(r"/v2/([^/]+)/notifications/topics/([^/]+)/publish")
_URN = re.compile(r"urn:smn:([a-z0-9-]+):([^:]+):([A-Za-z0-9_-]{1,255})")


def target_of(path: str) -> tuple[str, str] | None:
    """Return the project and the URN of a raw path that publishes; None for any other path."""
    found = _PATH.fullmatch(path)
    return (unquote(found[1]), unquote(found[2])) if found else None


def published(body: bytes, project_id: str, urn: str, projects: Projects) -> dict[str, Any]:
    """Return the message that a request publishes; raises ErrorAnswer."""
    topic = _URN.fullmatch(urn)
    if topic is None or topic[2] != project_id or not projects.knows(project_id):
        raise _refused(404, "SMN.0404", "The topic does not exist.")
    if topic[1] != projects.region(project_id):
        raise _refused(404, "SMN.0404", "The topic does not exist in this region.")
    try:
        wanted = orjson.loads(body)
    except orjson.JSONDecodeError:
        wanted = None
    if not isinstance(wanted, dict):
        raise _refused(400, "SMN.0400", "The body is no JSON object.")
    subject, message = wanted.get("subject", ""), wanted.get("message")
    if not isinstance(subject, str) or len(subject) > SUBJECT_CHARS_MAX:
        raise _refused(400, "SMN.0400", "The subject has more than 512 characters.")
    if not isinstance(message, str) or not 0 < len(message.encode()) <= MESSAGE_BYTES_MAX:
        raise _refused(400, "SMN.0400", "The message is missing, or has more than 256 KB.")
    return {"topic_urn": urn, "subject": subject, "message": message}


def _refused(http: int, code: str, message: str) -> ErrorAnswer:
    return ErrorAnswer(http=http, code=code, message=message, shape="flat")
