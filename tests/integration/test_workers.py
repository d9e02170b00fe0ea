"""A run and its workers over a real nats-server, before the simulator: what is asked, taken and refused."""

import asyncio
import random
import string
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk import __version__
from bulk.app.connections import Connections
from bulk.app.environment import Environment
from bulk.app.fleets import open_fleets
from bulk.app.sources import ApiAddress
from bulk.app.way import api_of
from bulk.clock import SystemClock, SystemDice
from bulk.errors import CannotRun, CredentialsError, ExitCode, Refused, UsageError
from bulk.model import Abort, Done, ModifyBody, Page, Retry, ServiceId, Target
from bulk.puts import put_of
from bulk.settings import SEND_WITHIN_S, FleetSettings, WhereSettings
from bulk.simulator import Simulator, Switches
from bulk.vpcep.client import Client, ReadClient
from bulk.vpcep.codes import NoReply
from bulk.vpcep.replies import Lost
from bulk.vpcep.requests import Request, Timeouts, list_services, modify_service, services_path, show_service
from bulk.workers.far_channel import FarChannel
from bulk.workers.link import Link, NoAnswer, open_link
from bulk.workers.messages import Again, Ask, AskAnswer, Failure, Hello, OpenProject, Relay, packed, unpacked
from bulk.workers.nats_login import VARIABLE, NatsLogin
from bulk.workers.serving import WorkerServer
from bulk.workers.subjects import Workplace
from tests.nats_servers import nats_server
from tests.puts import modify
from tests.simulator_caller import OTHER_PROJECT, PROJECT, line, mapping, service_id
from tests.values import change, ports

REGION = "cn-north-4"
TARGET = Target(region=REGION, project_id=PROJECT)
ID = ServiceId(service_id(1))
CONTENT = put_of(change(1), ModifyBody(ports=ports(22))).content
USERS = """
max_payload: 131072
authorization {
  users: [
    { user: worker, password: p, permissions: { subscribe: "bulk.1.>", publish: "_INBOX.>" } }
    { user: run, password: p, permissions: { publish: "bulk.1.>", subscribe: "_INBOX.run.>" } }
    { user: planner, password: p, permissions: {
        publish: ["bulk.1.*.*.hello", "bulk.1.*.*.*.read"], subscribe: "_INBOX.planner.>" } }
    { user: eastern, password: p, permissions: { subscribe: "bulk.1.cn-east-3.>", publish: "_INBOX.>" } }
    { user: stranger, password: p, permissions: {
        publish: "bulk.1.cn-east-3.>", subscribe: "_INBOX.stranger.>" } }
  ]
}
"""


class OtherClock(SystemClock):
    """The clock of a machine that booted at another time, or that was frozen."""

    def __init__(self, ahead_s: float = 0.0) -> None:
        self.ahead_s = ahead_s

    def boottime(self) -> float:
        """Return the seconds since then."""
        return super().boottime() + self.ahead_s


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a nats-server with the rights of a worker, a run, a planner and a stranger."""
    with nats_server(tmp_path_factory.mktemp("nats"), USERS) as url:
        yield url


class Rig:
    """A simulator, workers before it, and runs that ask them."""

    def __init__(self, nats: str, simulator: Simulator, folder: Path, stack: AsyncExitStack) -> None:
        self.nats, self.simulator, self.folder = nats, simulator, folder
        self.enter = stack.enter_async_context
        self.said: list[str] = []

    def _environment(self, env: dict[str, str], clock: SystemClock) -> Environment:
        return Environment(env=env, home=self.folder, clock=clock, dice=SystemDice(), notify=self.said.append)

    async def worker(
        self,
        *places: Workplace,
        clock: SystemClock | None = None,
        env: dict[str, str] | None = None,
        user: str = "worker",
    ) -> WorkerServer:
        """Begin to serve these places, with the keys of the simulator."""
        identity, clock = self.simulator.identity, clock or SystemClock()
        keys = {"AK": identity.ak, "SK": identity.sk, "IAM_ENDPOINT": self.simulator.url}
        own = {f"HUAWEICLOUD_SDK_{name}": value for name, value in keys.items()} if env is None else env
        address = ApiAddress(url=self.simulator.url)
        at_work = self._environment(own, clock)
        connections = await self.enter(open_fleets(Client, FleetSettings(), address, at_work))
        link = await self.link(user, is_run=False)
        server = WorkerServer(link, api_of(connections), clock, self.said.append)
        for place in places or (Workplace(REGION),):
            await server.serve(place)
        await server.greet_anywhere()
        return server

    async def link(self, user: str = "run", *, is_run: bool = True) -> Link:
        """Connect to NATS as a user."""
        login = NatsLogin(user=user, password="p")
        return await self.enter(open_link(self.nats, login, {}, is_run=is_run, note=self.said.append))

    async def run(
        self,
        kind: type[ReadClient] = Client,
        user: str = "run",
        clock: SystemClock | None = None,
        **flags: Any,
    ) -> Connections[Any]:
        """Return the connections of a command that goes through workers, and has no credentials."""
        path = self.folder / f"{user}.toml"
        path.write_text(f'user = "{user}"\npassword = "p"\n')
        path.chmod(0o600)
        settings = FleetSettings(where=WhereSettings(via=self.nats, region=REGION))
        address = ApiAddress(**flags)
        environment = self._environment({VARIABLE: str(path)}, clock or SystemClock())
        return await self.enter(open_fleets(kind, settings, address, environment))

    async def client(self, target: Target = TARGET, **flags: Any) -> Any:
        """Return a client of a target through a worker."""
        return (await (await self.run(**flags)).client_of(target)).client

    @property
    def puts(self) -> int:
        """How many PUTs took effect."""
        return len(self.simulator.applied)


@asynccontextmanager
async def rig(nats: str, folder: Path, **settings: Any) -> AsyncIterator[Rig]:
    """Run a simulator with three services, or as given."""
    fleet = [line(number, ports=[mapping(80, 8000 + number)]) for number in (1, 2, 3)]
    given = {"fleet": fleet, "projects": {REGION: PROJECT}} | settings
    async with Simulator(**given) as simulator, AsyncExitStack() as stack:
        yield Rig(nats, simulator, folder, stack)


def channel_of(client: ReadClient) -> FarChannel:
    """Return the way of a client."""
    assert isinstance(client.channel, FarChannel)
    return client.channel


async def test_a_run_reads_and_writes_without_any_credentials(nats: str, tmp_path: Path) -> None:
    """What it knows of host, account and project is the worker's."""
    async with rig(nats, tmp_path) as place:
        worker, client = await place.worker(), await place.client(TARGET._replace(project_id=""))
        assert client.host == place.simulator.url.removeprefix("http://")
        assert (client.project_id, client.region, client.owner.key) == (
            PROJECT,
            REGION,
            place.simulator.identity.ak[-4:],
        )
        page = await client.list_page(offset=0, limit=1000)
        assert isinstance(page, Page)
        assert len(page.services) == 3
        assert isinstance(await client.show(ID), Done)
        assert isinstance(await modify(client, ID, CONTENT), Done)
        assert (place.puts, worker.tally.sent, worker.tally.late, worker.tally.refused) == (1, 3, 0, 0)


async def test_a_page_that_is_longer_than_a_message_comes_in_parts(nats: str, tmp_path: Path) -> None:
    """Also where its words are of no kind that can be compressed."""
    dice = random.Random(1)
    texts = ["".join(dice.choices(string.ascii_letters + string.digits, k=500)) for _ in range(1000)]
    fleet = [line(number, description=text) for number, text in enumerate(texts, 1)]
    async with rig(nats, tmp_path, fleet=fleet) as place:
        await place.worker()
        page = await (await place.client()).list_page(offset=0, limit=1000)
    assert isinstance(page, Page)
    assert [orjson.loads(listed.json)["description"] for listed in page.services] == texts


async def test_a_target_without_a_region_finds_no_worker(nats: str, tmp_path: Path) -> None:
    """It is said so, with what to add."""
    async with rig(nats, tmp_path) as place:
        with pytest.raises(UsageError, match="no region is named"):
            await place.client(Target(region="", project_id=PROJECT))


async def test_where_nobody_serves_a_place_it_is_said_with_the_command_that_does(
    nats: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another profile of a region is another place; it is waited for in vain first."""
    monkeypatch.setattr("bulk.workers.places.SILENCE_S", 1.0)
    async with rig(nats, tmp_path) as place:
        await place.worker()
        with pytest.raises(CannotRun, match="no worker serves cn-north-4/prod") as caught:
            await place.client(TARGET._replace(profile="prod"))
    assert caught.value.hint.endswith("bulk worker --connect URL --serve cn-north-4/prod")


async def greet(place: Rig, version: str) -> None:
    """Answer who asks for a worker, as one of another version."""
    link = await place.link("worker", is_run=False)

    async def greeted(message: Any) -> None:
        hello = Hello(worker="w-1-ab", host="bastion", version=version, clock_s=1.0)
        await link.answer(message, packed(hello))

    await link.serve(Workplace(REGION).hello, greeted)
    await link.must_be_served()


async def test_workers_of_another_version_are_asked_for_nothing(nats: str, tmp_path: Path) -> None:
    """The run is refused (7) before anything is sent; with both versions named."""
    async with rig(nats, tmp_path) as place:
        await greet(place, "0.0.9")
        with pytest.raises(Refused, match=rf"bulk 0\.0\.9, and this is {__version__}") as caught:
            await place.client()
    assert caught.value.exit_code is ExitCode.REFUSED


async def test_of_several_workers_one_of_this_version_is_asked(nats: str, tmp_path: Path) -> None:
    """Whoever answers first."""
    async with rig(nats, tmp_path) as place:
        await greet(place, "0.0.9")
        worker = await place.worker()
        await greet(place, "0.1.0")
        assert isinstance(await modify(await place.client(), ID, CONTENT), Done)
        assert worker.tally.sent == 1


async def test_who_may_not_write_reads_and_ends_before_anything_is_written(nats: str, tmp_path: Path) -> None:
    """A client that writes is refused when it is opened."""
    async with rig(nats, tmp_path) as place:
        worker = await place.worker()
        reader = await place.client(kind=ReadClient, user="planner")
        assert isinstance(await reader.list_page(offset=0, limit=10), Page)
        subject = Workplace(REGION).write(worker.name).lower()
        with pytest.raises(CannotRun) as caught:
            await place.client(user="planner")
        assert caught.value.exit_code is ExitCode.CANNOT_RUN
        assert caught.value.message.lower() == f"nats does not let this user publish to {subject}"
        assert (worker.tally.sent, place.puts) == (1, 0)


async def test_a_right_to_write_that_is_gone_ends_what_is_at_work(nats: str, tmp_path: Path) -> None:
    """Not row by row: the next one would be refused as well."""
    async with rig(nats, tmp_path) as place:
        worker = await place.worker()
        client = await place.client(kind=ReadClient, user="planner")
        far = Client(client.channel, project_id=PROJECT, region=REGION)
        verdict = await modify(far, ID, CONTENT)
    assert isinstance(verdict, Abort)
    assert "does not let this user publish to the subject of PUTs of cn-north-4" in verdict.reply.message
    assert worker.tally.sent == 0


async def test_puts_that_were_asked_for_when_the_right_was_taken_away_are_accounted_for(
    nats: str, tmp_path: Path
) -> None:
    """NATS does not say which one it refused: the worker knows what has come, and the next one ends it."""
    async with rig(nats, tmp_path) as place:
        await place.worker()
        client = await place.client(kind=ReadClient, user="planner")
        far = Client(client.channel, project_id=PROJECT, region=REGION)
        for verdict in await asyncio.gather(*(modify(far, ID, CONTENT) for _ in range(3))):
            assert isinstance(verdict, Retry)
            assert "never came" in verdict.reply.message
        assert isinstance(await modify(far, ID, CONTENT), Abort)
        assert place.puts == 0


async def test_who_may_not_ask_for_a_region_is_told_which_subject(nats: str, tmp_path: Path) -> None:
    """The right is one to publish, and its name is the subject."""
    async with rig(nats, tmp_path) as place:
        await place.worker()
        with pytest.raises(CannotRun, match=r"publish to bulk\.1\.cn-north-4\.%\.hello"):
            await place.client(user="stranger")


async def test_a_run_that_finds_no_worker_learns_what_is_served(
    nats: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as NATS lets workers and runs say so: those with rights to one region work as before."""
    monkeypatch.setattr("bulk.workers.places.SILENCE_S", 0.0)
    nowhere = TARGET._replace(region="cn-nroth-4")
    async with rig(nats, tmp_path) as place:
        await place.worker(Workplace("cn-east-3"), user="eastern")
        with pytest.raises(CannotRun, match=r"^no worker serves cn-nroth-4$"):
            await place.client(nowhere)
        await place.worker(Workplace(REGION), Workplace(REGION, "prod"))
        served = "others serve cn-north-4, cn-north-4/prod$"
        for user, kind in (("run", Client), ("planner", ReadClient)):
            with pytest.raises(CannotRun, match=served):
                await place.client(nowhere, user=user, kind=kind)
        with pytest.raises(CannotRun, match=r"^no worker serves cn-east-3/prod$"):
            await place.client(nowhere._replace(region="cn-east-3", profile="prod"), user="stranger")


async def test_what_a_workers_own_login_lacks_is_said_with_its_name(nats: str, tmp_path: Path) -> None:
    """The advice is for the host where the worker is."""
    async with rig(nats, tmp_path) as place:
        worker = await place.worker(env={"HUAWEICLOUD_SDK_IAM_ENDPOINT": place.simulator.url})
        with pytest.raises(CredentialsError) as caught:
            await place.client()
    assert worker.name in caught.value.message
    assert worker.host in f"{caught.value.message} {caught.value.hint}"


async def test_advice_of_a_worker_names_what_it_has(nats: str, tmp_path: Path) -> None:
    """A profile is one that it serves; the project is named where the run is."""
    async with rig(nats, tmp_path) as place:
        keys = {"HUAWEICLOUD_SDK_AK": "a", "HUAWEICLOUD_SDK_SK": "s", "HW_ASSUME_ROLE_X": "x"}
        await place.worker(env=keys)
        with pytest.raises(CredentialsError) as caught:
            await place.client()
        assert caught.value.hint.endswith("or name the credentials with --serve REGION/PROFILE")
        assert "; begin the command with `env -u HW_ASSUME_ROLE_X`" in place.said[-1]


async def test_a_put_of_a_worker_that_drains_is_waited_for_as_any_other(
    nats: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes nothing new, and the run asks another one; what it has taken becomes no doubt."""
    monkeypatch.setattr("bulk.workers.places.LAST_ANSWERS_S", 0.05)
    async with rig(nats, tmp_path, switches=Switches(latency_s=0.6)) as place:
        first, client = await place.worker(), await place.client()
        second = await place.worker()
        slow = asyncio.ensure_future(modify(client, ID, CONTENT))
        while not first.tally.sent:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        drained = asyncio.ensure_future(first.drain())
        await asyncio.sleep(0.1)
        assert isinstance(await client.show(ID), Retry)
        assert isinstance(await client.show(ID), Done)
        assert isinstance(await slow, Done)
        await drained
        assert (first.tally.sent, second.tally.sent) == (1, 1)


LIST = list_services(services_path(PROJECT), offset=0, limit=10)
SHOW = show_service(services_path(PROJECT), ID)
PUT = modify_service(services_path(PROJECT), ID, CONTENT)
FAR = 1e12
FOR_EVER: dict[str, Any] = {
    "target": TARGET,
    "request": PUT,
    "send_by": FAR,
    "body_bytes_max": 10_000,
    "timeouts": Timeouts(),
}
ELSEWHERE = services_path(OTHER_PROJECT)


@pytest.mark.parametrize(
    ("more", "subject"),
    [
        ({"target": TARGET._replace(region="cn-east-3")}, "write"),
        ({"target": TARGET._replace(profile="prod")}, "write"),
        ({"host": "elsewhere.example.com"}, "write"),
        ({"request": modify_service(ELSEWHERE, ID, CONTENT)}, "write"),
        ({"request": replace(PUT, method="DELETE")}, "write"),
        ({"request": replace(PUT, method="POST")}, "write"),
        ({"request": replace(PUT, path=f"{PUT.path}/connections/action", method="PUT")}, "write"),
        ({"request": replace(PUT, path=f"{PUT.path}%2F..")}, "write"),
        ({}, "read"),
        ({"request": LIST}, "write"),
        ({"request": list_services(ELSEWHERE, offset=0, limit=10)}, "read"),
        ({"request": replace(LIST, query="limit=10&id=x")}, "read"),
        ({"request": replace(LIST, path="/v3/projects", query="")}, "read"),
        ({"request": Request(method="GET", path="/v1/x HTTP/1.1\r\nX: y")}, "read"),
    ],
)
async def test_a_worker_takes_nothing_else_whatever_it_is_asked(
    nats: str, tmp_path: Path, more: dict[str, Any], subject: str
) -> None:
    """Of another place or project, by another method, or against the rights of the subject."""
    async with rig(nats, tmp_path) as place:
        worker, link = await place.worker(Workplace(REGION), Workplace("cn-east-3")), await place.link()
        at = Workplace(REGION)
        on = at.write(worker.name) if subject == "write" else at.read(worker.name)
        known = unpacked(
            AskAnswer, await asked(link, at.read(worker.name), Ask(open=OpenProject(target=TARGET)))
        ).opened
        assert known
        before = place.simulator.stats["requests"]
        relay = Relay(**FOR_EVER | {"key": "k", "host": known.host} | more)
        got = unpacked(AskAnswer, await asked(link, on, Ask(relay=relay)))
        assert isinstance(got.failure, Failure)
        assert (worker.tally.sent, worker.tally.refused) == (0, 1)
        assert place.simulator.stats["requests"] == before
        assert place.said


async def asked(link: Link, subject: str, ask: Ask) -> bytes:
    """Ask a worker and return its answer."""
    got = await link.ask(subject, packed(ask), 10.0)
    assert not isinstance(got, NoAnswer), got
    return got


@pytest.mark.parametrize(
    "data", [b"", b"x", b"\0\0\0\1", b"\0\0\0\2" + packed(Ask()), b"\0\0\0\1\1" + b"x" * 100]
)
async def test_what_is_no_question_is_answered_as_such(nats: str, tmp_path: Path, data: bytes) -> None:
    """And the worker goes on."""
    async with rig(nats, tmp_path) as place:
        worker, link = await place.worker(), await place.link()
        subject = Workplace(REGION).read(worker.name)
        raw: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def take(message: Any) -> None:
            raw.set_result(message.data)

        await link.serve("_INBOX.run.raw", take)
        await link.must_be_served()
        await link._client.publish(subject, data, reply="_INBOX.run.raw")
        assert unpacked(AskAnswer, (await raw)[4:]).failure
        assert unpacked(AskAnswer, await asked(link, subject, Ask())).failure is None
        assert worker.tally.refused == 1


async def test_the_same_put_is_not_sent_twice_and_one_that_was_given_up_not_at_all(
    nats: str, tmp_path: Path
) -> None:
    """The answer is the one that there was, and is asked for on the subject of reads."""
    async with rig(nats, tmp_path) as place:
        worker, link = await place.worker(), await place.link()
        client = await place.client()
        write, read = Workplace(REGION).write(worker.name), Workplace(REGION).read(worker.name)

        def put(key: str) -> Ask:
            relay = Relay(host=client.host, key=key, **FOR_EVER)
            return Ask(relay=relay)

        first, second = [unpacked(AskAnswer, await asked(link, write, put("k"))) for _ in range(2)]
        again = unpacked(AskAnswer, await asked(link, read, Ask(again=Again(key="k", send_by=FAR))))
        assert first.answer
        assert first.answer == second.answer == again.answer
        for question, subject in ((Ask(again=Again(key="never", send_by=FAR)), read), (put("never"), write)):
            got = unpacked(AskAnswer, await asked(link, subject, question)).relayed
            assert isinstance(got, Lost)
            assert not got.sent
        assert (place.puts, worker.tally.sent) == (1, 1)


async def test_of_a_put_whose_answer_was_forgotten_no_worker_says_that_it_never_came(
    nats: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been sent, and is in doubt; what may still leave is never forgotten."""
    monkeypatch.setattr("bulk.workers.serving.KEPT", 2)
    async with rig(nats, tmp_path) as place:
        theirs = OtherClock()
        worker, link = await place.worker(clock=theirs), await place.link()
        client, ends_at = await place.client(), theirs.boottime() + SEND_WITHIN_S
        write, read = Workplace(REGION).write(worker.name), Workplace(REGION).read(worker.name)

        async def became(key: str, send_by: float) -> Any:
            question = Ask(again=Again(key=key, send_by=send_by))
            return unpacked(AskAnswer, await asked(link, read, question)).relayed

        relay = Relay(**FOR_EVER | {"key": "k", "host": client.host, "send_by": ends_at})
        answer = unpacked(AskAnswer, await asked(link, write, Ask(relay=relay))).relayed
        assert [(await became(key, ends_at)).sent for key in "abc"] == [False] * 3
        assert await became("k", ends_at) == answer
        theirs.ahead_s += SEND_WITHIN_S + 1.0
        assert not (await became("d", theirs.boottime())).sent
        known = await became("k", ends_at)
        assert isinstance(known, Lost)
        assert (known.code, known.sent) == (NoReply.WORKER_SILENT, True)
        assert not (await became("e", theirs.boottime())).sent
        for number in range(20):  # a time that no run asks for keeps nothing for ever
            await became(f"f{number}", FAR)
            theirs.ahead_s += SEND_WITHIN_S
        assert len(worker._puts) <= 4


async def test_the_answer_to_a_put_is_not_lost_with_the_connection(nats: str, tmp_path: Path) -> None:
    """It comes to one that is gone, and is asked for on the next; the PUT is sent once, and not in doubt."""
    async with rig(nats, tmp_path, switches=Switches(latency_s=0.5)) as place:
        worker, client = await place.worker(), await place.client()
        sending = asyncio.create_task(modify(client, ID, CONTENT))
        while not worker.tally.sent:  # noqa: ASYNC110 - until the worker has taken it
            await asyncio.sleep(0)
        await channel_of(client)._workplace._link._client.force_reconnect()
        assert isinstance(await sending, Done)
        assert (place.puts, worker.tally.sent) == (1, 1)


@pytest.mark.parametrize("ahead_s", [600.0, -600.0, 1e8, -1e6])
async def test_clocks_of_two_hosts_have_nothing_in_common(nats: str, tmp_path: Path, ahead_s: float) -> None:
    """What may leave leaves, and what comes too late by the worker's own clock does not."""
    async with rig(nats, tmp_path) as place:
        theirs = OtherClock(ahead_s)
        worker, client = await place.worker(clock=theirs), await place.client()
        assert isinstance(await modify(client, ID, CONTENT), Done)
        theirs.ahead_s += (
            SEND_WITHIN_S + 1.0
        )  # as if it was frozen for so long with the question in its buffer
        late = await modify(client, ID, CONTENT)
        assert isinstance(late, Retry)
        assert (late.reply.code, late.counts, place.puts) == (NoReply.WORKER_LATE, False, 1)
        assert (worker.tally.sent, worker.tally.late) == (1, 1)
        assert isinstance(await modify(client, ID, CONTENT), Done)
        assert place.puts == 2


async def test_a_read_that_comes_too_late_is_worth_another_one(nats: str, tmp_path: Path) -> None:
    """It counts as a failure of reading, so that it is not asked for without end."""
    async with rig(nats, tmp_path) as place:
        theirs = OtherClock()
        await place.worker(clock=theirs)
        client = await place.client()
        theirs.ahead_s += SEND_WITHIN_S + 1.0
        late = await client.show(ID)
        assert isinstance(late, Retry)
        assert (late.reply.code, late.counts) == (NoReply.WORKER_LATE, True)


async def test_two_profiles_of_one_account_share_one_lane(nats: str, tmp_path: Path) -> None:
    """Their requests count against one limit at the API, whoever signs them."""
    async with rig(nats, tmp_path) as place:
        identity = place.simulator.identity
        sections = "".join(f"[{name}]\nak = {identity.ak}\nsk = {identity.sk}\n" for name in ("a", "b"))
        file = tmp_path / ".huaweicloud/credentials"
        file.parent.mkdir()
        file.write_text(sections)
        file.chmod(0o600)
        env = {"HUAWEICLOUD_SDK_IAM_ENDPOINT": place.simulator.url}
        one = await place.worker(Workplace(REGION, "a"), env=env)
        other = await place.worker(Workplace(REGION, "b"), env=env)
        connections = await place.run()
        lanes = [await connections.client_of(TARGET._replace(profile=name)) for name in ("a", "b")]
        assert lanes[0].lane == lanes[1].lane
        assert lanes[0].writes is lanes[1].writes
        for lane in lanes:
            assert isinstance(await modify(lane.client, ID, CONTENT), Done)
        assert (one.tally.sent, other.tally.sent) == (1, 1)


async def test_an_address_of_the_api_beside_workers_is_refused(nats: str, tmp_path: Path) -> None:
    """It would have no effect: the address is a setting of the workers."""
    async with rig(nats, tmp_path) as place:
        with pytest.raises(UsageError, match="the address of the API is a setting of the workers"):
            await place.run(url=place.simulator.url)


async def test_a_worker_that_drains_answers_what_it_has_taken(nats: str, tmp_path: Path) -> None:
    """And then nobody is there, which is known at once."""
    async with rig(nats, tmp_path) as place:
        worker, client = await place.worker(), await place.client()
        sending = asyncio.create_task(modify(client, ID, CONTENT))
        while not worker.tally.sent:  # noqa: ASYNC110 - until the worker has taken it
            await asyncio.sleep(0)
        await worker.drain()
        assert isinstance(await sending, Done)
        gone = await modify(client, ID, CONTENT)
        assert isinstance(gone, Retry)
        assert (gone.reply.code, gone.counts, place.puts) == (NoReply.NO_WORKER, False, 1)


async def test_another_worker_takes_over(nats: str, tmp_path: Path) -> None:
    """The next request goes to it, and it is said once."""
    async with rig(nats, tmp_path) as place:
        first, client = await place.worker(), await place.client()
        assert isinstance(await modify(client, ID, CONTENT), Done)
        second = await place.worker()
        await first.drain()
        verdicts = [await modify(client, ID, CONTENT) for _ in range(3)]
        assert isinstance(verdicts[-1], Done)
        assert (place.puts, second.tally.sent) == (
            1 + sum(isinstance(each, Done) for each in verdicts),
            place.puts - 1,
        )
        said = [text for text in place.said if second.name in text]
        assert said == [f"cn-north-4: requests go through worker {second.name} on {second.host}"]
