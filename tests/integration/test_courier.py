"""Messages on their way: tries, what came of them, and the process that carries them."""

import os
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from bulk.app.courier import PAUSES_S, Couriers, Parcel, carry, deliver
from bulk.app.outbox_file import Outbox
from bulk.clock import SystemClock
from bulk.vpcep.wire import open_wire
from tests.fakes import FakeClock
from tests.webhooks import Got, webhook

AT = "2026-01-15T08:30:00.000Z"


def parcel(base: str, id_: str = "a") -> Parcel:
    """Return a message to a server."""
    return Parcel(
        id=id_, to="ops", form="wecom", base=base, path="/send", query="key=SECRETSECRETSECRET",
        headers={"Host": "h"}, body="{}", secrets=("key=SECRETSECRETSECRET",),
    )  # fmt: skip


async def delivered(sent: Parcel) -> tuple[str, list[float]]:
    """Return why a message was not taken, and how long was waited between the tries."""
    clock = FakeClock()
    async with open_wire(clock=SystemClock(), env={}) as wire:
        return await deliver(sent, wire, clock.sleep), clock.slept_s


async def test_what_may_pass_is_tried_three_times() -> None:
    """A server's failure, and no server at all; the last reason is kept."""
    with webhook(lambda _: (503, b"")) as hook:
        why, slept_s = await delivered(parcel(hook.url))
    assert why == "HTTP 503 (tried 3 times)"
    assert slept_s == [*PAUSES_S]
    assert len(hook.got) == 3
    why, slept_s = await delivered(parcel(hook.url))
    assert why.startswith("connect_failed: ")
    assert slept_s == [*PAUSES_S]


async def test_a_message_that_is_taken_later_has_arrived() -> None:
    """Too many at first, then taken."""
    replies = iter([b'{"errcode":45009}', b'{"errcode":0}'])
    with webhook(lambda _: (200, next(replies))) as hook:
        assert await delivered(parcel(hook.url)) == ("", [PAUSES_S[0]])


async def test_a_refusal_is_not_tried_again() -> None:
    """It would be the same; and nothing leaves to an address that is none."""

    def refuses(got: Got) -> tuple[int, bytes]:
        return 200, b'{"errcode":93000,"errmsg":"' + got.path.encode() + b'"}'

    with webhook(refuses) as hook:
        why, slept_s = await delivered(parcel(hook.url))
    assert why == "HTTP 200, code 93000: /send?[redacted]"
    assert (slept_s, len(hook.got)) == ([], 1)
    why, _ = await delivered(parcel("http://example.com"))
    assert "plain http to another machine" in why


async def test_what_came_of_each_message_is_written_down(tmp_path: Path) -> None:
    """One was taken, one was not."""
    outbox = Outbox(tmp_path / "x.notices.jsonl")
    for id_ in ("a", "b"):
        outbox.add(id=id_, at=AT, to="ops", about="end")
    with webhook() as hook:
        order = {
            "outbox": str(outbox.path),
            "env": {},
            "parcels": [asdict(parcel(hook.url)), asdict(parcel("ftp://x", "b"))],
        }
        await carry(order)
    (lost,) = outbox.lost().values()
    assert lost.id == "b"
    assert lost.has_failed


def test_a_process_carries_them_and_can_be_waited_for(tmp_path: Path) -> None:
    """It knows no variable of ours but those by which servers are reached."""
    outbox = Outbox(tmp_path / "x.notices.jsonl")
    outbox.add(id="a", at=AT, to="ops", about="end")
    couriers = Couriers({**os.environ, "BULK_NOTIFY_OPS": "secret"})
    with webhook() as hook:
        couriers.send([parcel(hook.url)], outbox)
        couriers.wait()
    assert [got.path for got in hook.got] == ["/send?key=SECRETSECRETSECRET"]
    assert outbox.lost() == {}


def test_a_process_that_cannot_be_started_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is raised."""
    outbox = Outbox(tmp_path / "x.notices.jsonl")
    outbox.add(id="a", at=AT, to="ops", about="end")
    monkeypatch.setattr(sys, "executable", "/absent/python")
    Couriers({}).send([parcel("http://127.0.0.1:1")], outbox)
    (lost,) = outbox.lost().values()
    assert lost.why == "no process could be started for it: No such file or directory"
