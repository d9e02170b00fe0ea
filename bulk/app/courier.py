"""Messages on their way, in a process of their own: no run waits for the server of a webhook.

The courier is given whole requests on its standard input, so that no URL and no secret stands in a command
line, in a variable or in a file. It tries each up to three times and writes what came of it to the outbox.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bulk.app.outbox_file import Outbox
from bulk.clock import SystemClock
from bulk.errors import BulkError
from bulk.ledger.chain import timestamp
from bulk.operations.bots import refusal
from bulk.operations.notices import BotForm
from bulk.rehearsal.children import bare, keep_out_of_core_files
from bulk.vpcep.regions import parse_endpoint
from bulk.vpcep.replies import Lost
from bulk.vpcep.requests import Request, Timeouts
from bulk.vpcep.wire import Wire, open_wire

TIMEOUTS = Timeouts(connect_s=10.0, read_s=10.0, total_s=10.0)
PAUSES_S = (1.0, 2.0)
"""How long is waited before the second and the third try."""
_REPLY_BYTES_MAX = 65_536
_PROXIES = ("_proxy", "ssl_cert_file", "ssl_cert_dir")
"""Ends of the names of variables that say how servers are reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One message as a request: nothing more has to be known to send it.

    * id: by which it stands in the outbox
    * to: the NAME of `[notify.NAME]`
    * form: that of the bot, empty for SMN
    * base: `https://host[:port]`
    * secrets: what no server may repeat
    """

    id: str
    to: str
    form: str
    base: str
    path: str = field(repr=False)
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


async def deliver(parcel: Parcel, wire: Wire, sleep: Callable[[float], Awaitable[object]]) -> str:
    """Send a message, up to three times; return why it was not taken, nothing where it was."""
    wire.echoes.add(*parcel.secrets)
    try:
        route = wire.route(parse_endpoint(parcel.base))
    except BulkError as error:
        return error.message
    why, form = "", BotForm(parcel.form) if parcel.form else None
    request = Request(method="POST", path=parcel.path, query=parcel.query, body=parcel.body.encode())
    for pause_s in (*PAUSES_S, None):
        got = await wire.exchange(
            request, route, parcel.headers, body_bytes_max=_REPLY_BYTES_MAX, timeouts=TIMEOUTS
        )
        if isinstance(got, Lost):
            why, may_pass = f"{got.code}: {got.message}", not got.hopeless
        elif refused := refusal(form, got.http, got.body):
            why, may_pass = refused.why, refused.may_pass
        else:
            return ""
        if not may_pass:
            return why
        if pause_s is not None:
            await sleep(pause_s)
    return f"{why} (tried {len(PAUSES_S) + 1} times)"


class Couriers:
    """The processes that carry the messages of a command."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._at_work: list[int] = []
        """Their process ids."""

    def send(self, parcels: Sequence[Parcel], outbox: Outbox) -> None:
        """Have messages carried; nobody waits for it."""
        self._at_work = [pid for pid in self._at_work if os.waitpid(pid, os.WNOHANG) == (0, 0)]
        reached_by = {name: value for name, value in self._env.items() if name.lower().endswith(_PROXIES)}
        order = {
            "outbox": str(outbox.path.absolute()),
            "env": reached_by,
            "parcels": list(map(asdict, parcels)),
        }
        try:
            self._at_work.append(_start(orjson.dumps(order), bare(self._env)))
        except OSError as error:
            for parcel in parcels:
                outbox.add(id=parcel.id, failed=f"no process could be started for it: {error.strerror}")

    def wait(self) -> None:
        """Return once every message has been taken or given up."""
        for pid in self._at_work:
            os.waitpid(pid, 0)
        self._at_work.clear()


def _start(order: bytes, env: Mapping[str, str]) -> int:
    """Start a courier, which goes on where this command ends or is interrupted; return its process id."""
    ours, theirs = os.pipe()
    try:
        null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", "bulk.app.courier"],
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, ours, 0), *null],
            setsid=True,
        )
    except OSError:
        os.close(theirs)
        raise
    finally:
        os.close(ours)
    with os.fdopen(theirs, "wb") as pipe:
        pipe.write(order)
    return pid


async def carry(order: Mapping[str, Any]) -> None:
    """Deliver messages, side by side, and write down what came of each."""
    clock, outbox = SystemClock(), Outbox(Path(order["outbox"]))

    async def carried(parcel: Parcel) -> None:
        why = await deliver(parcel, wire, clock.sleep)
        outcome: dict[str, str | bool] = {"failed": why} if why else {"delivered": True}
        outbox.add(at=timestamp(clock.now()), id=parcel.id, **outcome)

    async with (
        open_wire(clock=clock, env=order["env"], timeouts=TIMEOUTS) as wire,
        asyncio.TaskGroup() as group,
    ):
        for members in order["parcels"]:
            group.create_task(carried(Parcel(**members)))


def main() -> None:
    """Carry the messages that stand on standard input."""
    keep_out_of_core_files()
    asyncio.run(carry(orjson.loads(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
