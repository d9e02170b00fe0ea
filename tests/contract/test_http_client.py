"""The client against the simulator, which is an independent reading of API.md."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Literal, get_args

import orjson
import pytest

from bulk.errors import CannotRun, CredentialsError, UsageError
from bulk.model import (
    Abort,
    AsAsked,
    Done,
    Doubt,
    Missing,
    ModifyBody,
    Page,
    PortMapping,
    PutVerdict,
    Reject,
    Retry,
    ServiceId,
    ServiceState,
    Target,
    Throttled,
)
from bulk.puts import put_of
from bulk.simulator import Identity, Simulator, Switches
from bulk.simulator.switches import ErrorShape
from bulk.vpcep.client import Access, Client, ReadClient, connect
from bulk.vpcep.credentials import find_credentials
from bulk.vpcep.exchanges import Servers
from bulk.vpcep.found import Found
from bulk.vpcep.iam import Project
from bulk.vpcep.identity import PATIENCE_S, TRIES, Credential, LoginPatience, open_credential
from bulk.vpcep.keys import KeyPair, Token
from bulk.vpcep.logins import Agency
from bulk.vpcep.regions import parse_endpoint
from bulk.vpcep.requests import REPLY_BYTES_MAX, Timeouts
from bulk.vpcep.signed_channel import LATE, LATE_S, SignedChannel
from bulk.vpcep.wire import Wire, open_wire
from bulk.workers.far_channel import FarChannel, opened
from bulk.workers.link import open_link
from bulk.workers.nats_login import NatsLogin
from bulk.workers.places import open_workplaces
from bulk.workers.serving import Api, WorkerServer
from bulk.workers.subjects import Workplace
from tests.fakes import FakeClock, FixedDice
from tests.nats_servers import nats_server
from tests.puts import modify
from tests.values import change

PROJECT = "6e9dfd51d1124e8d8498dce894923a0d"
ID = ServiceId("4189d3c2-8882-4871-a3c2-d380272eed83")
FLEET = [{"id": ID, "project_id": PROJECT}]
NEW = ModifyBody(ports=(PortMapping(client_port=8081, server_port=22),))
CONTENT = put_of(change(1), NEW).content
IDENTITY = Identity()
KEYS = {"HUAWEICLOUD_SDK_AK": IDENTITY.ak, "HUAWEICLOUD_SDK_SK": IDENTITY.sk}
USER = {
    "HW_USER_NAME": IDENTITY.user,
    "HW_USER_PASSWORD": IDENTITY.password,
    "HW_DOMAIN_NAME": IDENTITY.domain,
}


class Clock:
    """A clock that stands still, and only goes when a test says so."""

    def __init__(self) -> None:
        self.wall = 1_768_465_800.0

    async def sleep(self, wait_s: float) -> None:
        """Wait, by another clock."""
        await asyncio.sleep(wait_s)

    def now(self) -> float:
        """Return the wall clock."""
        return self.wall

    def monotonic(self) -> float:
        """Return the stopwatch."""
        return self.wall

    def boottime(self) -> float:
        """Return the same: nothing sleeps here."""
        return self.wall


class Reach:
    """A simulator and what is needed to become its client."""

    def __init__(self, simulator: Simulator, wire: Wire, clock: Clock, home: Path) -> None:
        self.simulator = simulator
        self.clock = clock
        self._wire = wire
        self._home = home
        self.stack = AsyncExitStack()
        self.direct: dict[Client, Client] = {}
        """By a client that goes through a worker, the one that the worker has."""
        self.waits = FakeClock()
        self.patience = LoginPatience(
            monotonic=self.waits.monotonic, sleep=self.waits.sleep, roll=FixedDice().random
        )

    async def client(
        self,
        env: Mapping[str, str] = KEYS,
        *,
        region: str = "cn-north-4",
        project_id: str = PROJECT,
        endpoint: str = "",
        regions: Collection[str] = (),
    ) -> Client:
        """Return a client with the credentials of this environment."""
        access = self.access({"HUAWEICLOUD_SDK_IAM_ENDPOINT": self.simulator.url, **env}, endpoint)
        target = Target(region=region, project_id=project_id)
        client = await connect(Client, target, access, regions)
        return await self._through_a_worker(client) if Way.nats else client

    def access(self, env: Mapping[str, str], endpoint: str = "") -> Access:
        """Return how a command with this environment gets to the simulator, or to another endpoint."""
        return Access(
            wire=self._wire,
            env=env,
            home=self._home,
            patience=self.patience,
            approve=lambda *_: None,
            endpoint=endpoint or self.simulator.url,
        )

    async def _through_a_worker(self, client: Client) -> Client:
        """Return a client whose requests a worker with another client signs and sends."""
        place, enter = Workplace(client.region, secrets.token_hex(8)), self.stack.enter_async_context
        target = Target(profile=place.profile, region=place.region, project_id=client.project_id)

        async def client_of(_: Target, __: Collection[str]) -> tuple[Target, ReadClient]:
            return target, client

        async def projects_of(_: Target) -> tuple[Project, ...]:
            return await client.projects()

        api = Api(client_of=client_of, projects_of=projects_of)
        beside, link = [
            await enter(open_link(Way.nats, NatsLogin(), {}, is_run=is_run, note=print))
            for is_run in (False, True)
        ]
        await WorkerServer(beside, api, self.clock, print).serve(place)
        workplace = await (await enter(open_workplaces(link, self.clock, print))).of(place)
        known = await opened(workplace, target, (), writes=True)
        channel = FarChannel(workplace, known, self.clock, self._wire.timeouts)
        far = Client(channel, project_id=client.project_id, region=client.region, owner=known.owner)
        self.direct[far] = client
        return far

    def credential_of(self, client: Client) -> Credential:
        """Return what a client's requests are signed with."""
        channel = self.direct.get(client, client).channel
        assert isinstance(channel, SignedChannel)
        return channel._credential

    def hides(self, secret: str) -> bool:
        """Return whether an answer that repeats a text would be cleaned of it."""
        return self._wire.echoes.hide_in_text(f"a {secret}.") == "a [redacted]."

    async def credential(self, found: Found, metadata: str = "") -> Credential:
        """Return an opened credential; the simulator stands in for the metadata service as well."""
        here = parse_endpoint(metadata or self.simulator.url)
        servers = Servers(iam=here, sts=here, region="cn-north-4", metadata=here)
        return await open_credential(found, wire=self._wire, servers=servers, patience=self.patience)


@asynccontextmanager
async def connections(home: Path, **given: Any) -> AsyncIterator[Reach]:
    """Run a simulator with the fleet of one service, or as given."""
    clock = Clock()
    async with (
        Simulator(**{"fleet": FLEET, "clock": clock.now, **given}) as simulator,
        open_wire(clock=clock, env={}, timeouts=Timeouts(read_s=5.0)) as wire,
    ):
        reach = Reach(simulator, wire, clock, home)
        async with reach.stack:
            yield reach


class Way:
    """How a PUT is sent: by a call that returns its verdict, by one that calls back, or through a worker."""

    flies = False
    nats = ""


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a nats-server."""
    with nats_server(tmp_path_factory.mktemp("nats")) as url:
        yield url


@pytest.fixture(autouse=True, params=["task", "flight", "worker"])
def way(request: pytest.FixtureRequest, nats: str) -> Iterator[None]:
    """Let whatever is asked of a PUT in a task be asked of one on a kept connection, and through a worker."""
    Way.flies, Way.nats = request.param != "task", nats if request.param == "worker" else ""
    yield
    Way.flies, Way.nats = False, ""  # others use this client as well


async def put(client: Client) -> PutVerdict:
    """Send a PUT and return its verdict."""
    return await (fly(client) if Way.flies else modify(client, ID, CONTENT))


async def fly(client: Client, before: ServiceState | None = None) -> PutVerdict:
    """Send a PUT by a call that calls back; without a state before, its reply is judged as a whole."""
    answered: asyncio.Future[PutVerdict] = asyncio.get_running_loop().create_future()
    planned = replace(change(1), before=before)
    planned = replace(planned, update=replace(planned.update, service_id=ID))
    async with asyncio.TaskGroup() as group:
        client.send(put_of(planned, NEW), answered.set_result, group.create_task)
        return await answered


async def test_a_reply_that_is_plainly_as_asked_is_not_taken_apart(tmp_path: Path) -> None:
    """Once the API has accepted the key the PUTs share one connection, and only what is odd is looked at."""
    async with connections(tmp_path) as place:
        client = await place.client()
        found = await client.show(ID)
        assert isinstance(found, Done)
        verdicts = [await fly(client, found.state) for _ in range(3)]
        assert [type(verdict) for verdict in verdicts] == [Done if Way.nats else AsAsked] * 3
        assert all(verdict.reply.request_id for verdict in verdicts)
        moved = replace(found.state, description="as it was")
        assert isinstance(await fly(client, moved), Done)
    assert len(place.simulator.applied) == 4


@pytest.mark.parametrize("env", [{"HW_AUTH_TOKEN": "MIIabcdefghijklmnop"}, KEYS], ids=["token", "signature"])
async def test_a_plain_success_keeps_no_id_that_repeats_a_secret(tmp_path: Path, env: dict[str, str]) -> None:
    """The id is all that is kept of a reply that is plainly as asked; then it is looked at as a whole."""
    shown = orjson.dumps({"id": ID, "status": "available", **NEW.named()})

    async def repeating(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(65_536):
            fields = dict(line.partition(": ")[::2] for line in head.decode().split("\r\n"))
            secret = fields.get("X-Auth-Token") or fields["Authorization"].rpartition("=")[2]
            reply = f"HTTP/1.1 200 OK\r\nX-Request-Id: r-{secret}\r\nContent-Length: {len(shown)}\r\n\r\n"
            writer.write(reply.encode() + shown)
        writer.close()

    server = await asyncio.start_server(repeating, "127.0.0.1", 0)
    async with connections(tmp_path) as place, server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = await place.client(env, endpoint=url)
        found = await client.show(ID)
        assert isinstance(found, Done)
        verdict = await fly(client, replace(found.state, ports=()))
    assert isinstance(verdict, Done)
    assert verdict.reply.request_id == "r-[redacted]"


async def test_list_show_and_modify_with_an_access_key(tmp_path: Path) -> None:
    """The simulator verifies every signature and counts what took effect."""
    async with connections(tmp_path) as place:
        client = await place.client()
        page = await client.list_page(offset=0, limit=1000)
        done = await put(client)
        shown = await client.show(ID)
    assert isinstance(page, Page)
    assert [service.id for service in page.services] == [ID]
    assert isinstance(done, Done)
    assert isinstance(shown, Done)
    assert done.state.ports == shown.state.ports == NEW.ports
    assert done.reply.request_id
    assert len(place.simulator.applied) == 1


async def test_a_key_is_tried_by_one_request_before_others_follow(tmp_path: Path) -> None:
    """Five refused signatures lock it: of twenty requests by two clients one leaves, and answers for all."""
    async with connections(tmp_path) as place:
        env = {**KEYS, "HUAWEICLOUD_SDK_SK": "wrong"}
        clients = [await place.client(env, project_id=project_id) for project_id in (PROJECT, "f" * 32)]
        asked = [client.list_page(offset=0, limit=1000) for client in clients for _ in range(10)]
        verdicts = await asyncio.gather(*asked)
        assert all(isinstance(verdict, Abort) for verdict in verdicts)
        assert place.simulator.stats["answers"] == {"401": 1}


@pytest.mark.parametrize("http", [404, 429, 500, 502, 503])
async def test_an_answer_that_says_nothing_about_a_key_lets_no_others_follow(
    tmp_path: Path, http: int
) -> None:
    """A gateway that is busy has not looked at the signature: the next request goes alone as well."""
    async with (
        connections(tmp_path) as place,
        answering(401, b"no", before=[http] * 3 + [401] + [599] * 9) as url,
    ):
        client = await place.client(endpoint=url)
        for _ in range(3):
            await client.list_page(offset=0, limit=1000)
        verdicts = await asyncio.gather(*(client.list_page(offset=0, limit=1000) for _ in range(10)))
    assert [verdict.reply.http for verdict in verdicts] == [401] * 10


@pytest.mark.parametrize(
    ("http", "code"),
    [(401, ""), (401, "EndPoint.0001"), (401, "EndPoint.2003"), (400, "IAM.1104"), (403, "APIGW.0301")],
)
async def test_a_refused_key_is_used_no_more_however_the_refusal_is_worded(
    tmp_path: Path, http: int, code: str
) -> None:
    """The status 401 says so whatever the code; a code that means the key says so at any status."""
    body = orjson.dumps({"error_code": code, "error_msg": "no"})
    async with connections(tmp_path) as place:
        async with answering(http, body) as url:
            client = await place.client(endpoint=url)
            verdicts = [await client.list_page(offset=0, limit=1000)]
        verdicts += [await client.list_page(offset=0, limit=1000)]  # nobody is there to answer it
    assert all(isinstance(verdict, Abort) and verdict.reply.http == http for verdict in verdicts)


async def test_temporary_key_is_signed_with_its_security_token(tmp_path: Path) -> None:
    """The token is one of the signed headers."""
    async with connections(tmp_path) as place:
        key = place.simulator.temporary_key()
        env = {
            "HUAWEICLOUD_SDK_AK": key.ak,
            "HUAWEICLOUD_SDK_SK": key.sk,
            "HUAWEICLOUD_SDK_SECURITY_TOKEN": str(key.security_token),
        }
        client = await place.client(env)
        assert isinstance(await put(client), Done)


async def test_ready_token_is_enough(tmp_path: Path) -> None:
    """Nothing is signed then."""
    async with connections(tmp_path) as place:
        client = await place.client({"HW_AUTH_TOKEN": place.simulator.token(PROJECT)})
        assert isinstance(await put(client), Done)


async def test_ended_ready_token_ends_the_run_with_a_hint(tmp_path: Path) -> None:
    """It cannot be renewed."""
    async with connections(tmp_path) as place:
        client = await place.client({"HW_AUTH_TOKEN": place.simulator.token(PROJECT)})
        place.simulator.world.keyring.expire_tokens()
        verdict = await put(client)
    assert isinstance(verdict, Abort)
    assert "token" in verdict.hint


async def test_wrong_secret_ends_the_run_with_a_hint(tmp_path: Path) -> None:
    """What the gateway repeats of the request is left out: it buries what is wrong."""
    async with connections(tmp_path) as place:
        client = await place.client({**KEYS, "HUAWEICLOUD_SDK_SK": "wrong"})
        verdict = await put(client)
    assert isinstance(verdict, Abort)
    assert (verdict.reply.http, verdict.reply.code) == (401, "APIGW.0301")
    assert verdict.reply.message == "Incorrect IAM authentication information: verify aksk signature fail"
    assert "lock" in verdict.hint
    assert not place.simulator.applied


async def test_wrong_clock_is_named(tmp_path: Path) -> None:
    """A signature from an hour ago is refused, and the replies' date says why."""
    async with connections(tmp_path, clock=time.time) as place:
        place.clock.wall = time.time() - 3600
        verdict = await put(await place.client())
    assert isinstance(verdict, Abort)
    assert "60 min behind" in verdict.hint


async def test_security_token_in_a_refusal_is_not_told(tmp_path: Path) -> None:
    """The gateway quotes the signed headers, and the token is one."""
    async with connections(tmp_path) as place:
        key = place.simulator.temporary_key()
        env = {
            "HUAWEICLOUD_SDK_AK": key.ak,
            "HUAWEICLOUD_SDK_SK": "wrong",
            "HUAWEICLOUD_SDK_SECURITY_TOKEN": str(key.security_token),
        }
        verdict = await put(await place.client(env))
    assert isinstance(verdict, Abort)
    assert key.security_token
    assert key.security_token not in repr(verdict)


async def test_token_in_a_refusal_is_not_told_however_it_is_quoted(tmp_path: Path) -> None:
    """The very text is looked for, not only the usual words around it."""
    async with connections(tmp_path) as place, answering(401, b"I do not like MIIabc") as url:
        client = await place.client({"HW_AUTH_TOKEN": "MIIabc"}, endpoint=url)
        verdict = await put(client)
    assert isinstance(verdict, Abort)
    assert verdict.reply.message == "I do not like [redacted]"


@pytest.mark.parametrize("http", [400, 401, 403, 429, 500])
async def test_iam_that_repeats_the_password_is_not_quoted(tmp_path: Path, http: int) -> None:
    """In message and code of a refusal."""
    for told in ("Pa55word-of-sixteen", "Pa55word%2Dof-sixteen", "UGE1NXdvcmQtb2Ytc2l4dGVlbg=="):
        body = orjson.dumps({"error": {"message": f"no {told}", "code": f"IAM.{told}"}})
        found = find_credentials(env={**USER, "HW_USER_PASSWORD": "Pa55word-of-sixteen"}, home=tmp_path)
        async with connections(tmp_path) as place, answering(http, body) as url:
            with pytest.raises(CannotRun) as caught:
                await place.credential(found, url)
        said = f"{caught.value.message} {caught.value.hint}"
        assert "no [redacted]" in said
        assert told[:16] not in said


async def test_what_iam_or_metadata_gave_is_in_no_answer_from_then_on(tmp_path: Path) -> None:
    """Tokens, temporary keys, the metadata service's own token: each is in force once it came."""
    async with connections(tmp_path) as place:
        token = await place.credential(find_credentials(env=USER, home=tmp_path))
        key = await place.credential(Found(source=Agency(), place="", account=""))
        for secret in (token.current(0.0), key.current(0.0)):
            assert isinstance(secret, Token | KeyPair)
            assert secret.confidential
            for text in secret.confidential:
                assert place.hides(text)
        [metadata_token] = place.simulator.world.iam._metadata_tokens
        assert place.hides(metadata_token)


async def test_a_secret_that_is_given_again_is_whole(tmp_path: Path) -> None:
    """The metadata service gives the same key until it is changed; its own token likewise."""
    key = {"access": "AK1", "secret": "s3cret-of-24-characters!", "securitytoken": "t0ken-of-16-chars"}
    body = orjson.dumps({"credential": key | {"expires_at": "2100-01-01T00:00:00Z"}})
    async with connections(tmp_path) as place, answering(200, body) as url:
        opened = await place.credential(Found(source=Agency(), place="", account=""), url)
        first = opened.current(0.0)
        assert isinstance(first, KeyPair)
        again = await opened.renewed(refused=first)
    assert isinstance(again, KeyPair)
    assert again.confidential == first.confidential == (key["secret"], key["securitytoken"])


async def test_password_becomes_a_token_of_the_project(tmp_path: Path) -> None:
    """And the budget is that of the account the user belongs to."""
    async with connections(tmp_path) as place:
        client = await place.client(USER)
        assert isinstance(await put(client), Done)
        assert client.account == IDENTITY.domain


async def test_token_that_ends_mid_run_is_renewed_and_costs_the_row_nothing(tmp_path: Path) -> None:
    """All requests in flight are refused; IAM is asked once; the next attempts go through."""
    async with connections(tmp_path) as place:
        client = await place.client(USER)
        assert isinstance(await client.show(ID), Done)
        place.simulator.world.keyring.expire_tokens()
        refused = await asyncio.gather(*(put(client) for _ in range(5)))
        assert all(isinstance(verdict, Retry) and not verdict.counts for verdict in refused)
        assert isinstance(await put(client), Done)
    assert tokens_issued(place.simulator) == 2


async def test_token_is_renewed_before_it_ends(tmp_path: Path) -> None:
    """At 80 % of its life no request is refused for it."""
    async with connections(tmp_path, switches=Switches(token_life_s=100.0)) as place:
        client = await place.client(USER)
        place.clock.wall += 81.0
        assert isinstance(await put(client), Done)
    assert tokens_issued(place.simulator) == 2


async def test_a_put_that_waited_for_its_secret_does_not_leave(tmp_path: Path) -> None:
    """Its look, its window and the brake are minutes old then; it costs the row nothing. A read may go."""
    async with connections(tmp_path, switches=Switches(token_life_s=100.0)) as place:
        client = await place.client(USER)
        renew = place.credential_of(client)._renew
        assert renew

        async def slowly() -> Any:
            place.clock.wall += LATE_S + 1
            return await renew()

        place.credential_of(client)._renew = slowly
        place.clock.wall += 81.0
        assert await modify(client, ID, CONTENT) == LATE
        assert place.simulator.applied == []
        assert isinstance(await modify(client, ID, CONTENT), Done)
        place.clock.wall += 81.0
        assert isinstance(await client.show(ID), Done)


async def test_new_token_that_is_refused_as_well_ends_the_run(tmp_path: Path) -> None:
    """Asking IAM again and again would not help."""
    async with connections(tmp_path) as place:
        client = await place.client(USER)
        assert isinstance(await client.show(ID), Done)
        place.simulator.world.keyring.expire_tokens()
        assert isinstance(await put(client), Retry)
        place.simulator.world.keyring.expire_tokens()
        assert isinstance(await put(client), Abort)
    assert tokens_issued(place.simulator) == 2


async def test_renewal_that_iam_refuses_ends_the_run(tmp_path: Path) -> None:
    """The password was changed meanwhile."""
    async with connections(tmp_path) as place:
        client = await place.client(USER)
        await client.show(ID)
        place.simulator.world.keyring.expire_tokens()
        place.simulator.world.iam.user = replace(IDENTITY, password="new")
        verdict = await put(client)
        assert isinstance(verdict, Abort)
        place.clock.wall += 86_400.0
        assert await put(client) == verdict


async def test_lost_reply_proves_no_token(tmp_path: Path) -> None:
    """A token is good once the server has answered to it, not before."""
    async with connections(tmp_path, fleet=[{**FLEET[0], "description": "x" * REPLY_BYTES_MAX}]) as place:
        client = await place.client(USER)
        assert isinstance(await put(client), Doubt)
        place.simulator.world.keyring.expire_tokens()
        assert isinstance(await put(client), Abort)


async def test_wrong_password_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    """The error names IAM's answer and what to check, and shows no password."""
    async with connections(tmp_path) as place:
        with pytest.raises(CredentialsError) as raised:
            await place.client({**USER, "HW_USER_PASSWORD": "hidden"})
    assert "HW_USER_NAME" in raised.value.message
    assert "hidden" not in f"{raised.value!r}{raised.value.hint}"


async def test_iam_out_of_reach_is_told(tmp_path: Path) -> None:
    """It is the network, not the credentials."""
    async with connections(tmp_path) as place:
        with pytest.raises(CannotRun, match="connect_failed"):
            await place.client({**USER, "HUAWEICLOUD_SDK_IAM_ENDPOINT": "http://127.0.0.1:1"})


async def test_project_is_looked_up_by_the_region(tmp_path: Path) -> None:
    """With a key as with a password."""
    async with connections(tmp_path, projects={"cn-north-4": PROJECT}) as place:
        for env in (KEYS, USER):
            assert (await place.client(env, project_id="")).project_id == PROJECT


@asynccontextmanager
async def answering(http: int, body: bytes, *, before: Sequence[int] = ()) -> AsyncIterator[str]:
    """Run a server that has one answer to everything, after some of other statuses; give its address."""
    statuses = chain(before, repeat(http))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (next(statuses), len(body)) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "no projects"),
        ([{"id": "1", "name": "east"}, {"id": "2", "name": "east_dev"}], "2 projects"),
    ],
)
async def test_region_without_exactly_one_project_is_told(
    tmp_path: Path, found: list[dict[str, str]], said: str
) -> None:
    """All that were found are listed, and the way out is named."""
    async with connections(tmp_path) as place, answering(200, orjson.dumps({"projects": found})) as url:
        with pytest.raises(CredentialsError, match=said) as raised:
            await place.client({**KEYS, "HUAWEICLOUD_SDK_IAM_ENDPOINT": url}, project_id="")
    assert all(project["name"] in raised.value.message for project in found)
    assert "--project-id" in raised.value.hint


@dataclass
class Script:
    """A server that gives its answers in turn, the last one again and again; none resets the connection."""

    answers: list[bytes | None]
    url: str = ""
    asked: list[bytes] = field(default_factory=list)
    """The first line of each request."""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Return the next answer and close."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b"\r\n")[0])
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            writer.transport.abort()
            return
        writer.write(answer)
        await writer.drain()
        writer.close()


def reply(http: int, body: bytes = b"", *headers: str) -> bytes:
    """Return an answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {http} X", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def playing(*answers: bytes | None) -> AsyncIterator[Script]:
    """Run a server of a script."""
    script = Script(list(answers))
    server = await asyncio.start_server(script.answer, "127.0.0.1", 0)
    async with server:
        script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield script


MINE = reply(200, orjson.dumps({"projects": [{"id": PROJECT, "name": "cn-north-4"}]}))
TOKEN = reply(201, b"{}", "X-Subject-Token: MII")
TROUBLE = (reply(429), reply(500), reply(502, b"<html>"), None, reply(503))


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize(("env", "good"), [(KEYS, MINE), (USER, TOKEN)])
async def test_iam_is_asked_again_while_it_is_in_trouble(
    tmp_path: Path, env: Mapping[str, str], good: bytes, trouble: bytes | None
) -> None:
    """A look-up and a login are like any other read: throttled, broken or cut off, with backoff."""
    async with connections(tmp_path) as place, playing(trouble, trouble, good) as iam:
        named = PROJECT if good is TOKEN else ""
        client = await place.client({**env, "HUAWEICLOUD_SDK_IAM_ENDPOINT": iam.url}, project_id=named)
        assert client.project_id == PROJECT
    assert len(iam.asked) == 3
    assert place.waits.slept_s == [0.25, 0.5]


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("env", [KEYS, USER])
async def test_iam_is_asked_a_bounded_number_of_times(
    tmp_path: Path, env: Mapping[str, str], trouble: bytes | None
) -> None:
    """Then the command says what IAM answered last."""
    async with connections(tmp_path) as place, playing(trouble) as iam:
        with pytest.raises(CannotRun):
            await place.client({**env, "HUAWEICLOUD_SDK_IAM_ENDPOINT": iam.url}, project_id="")
    assert len(iam.asked) == TRIES


@pytest.mark.parametrize("http", [429, 503])
async def test_iam_says_how_long_to_wait(tmp_path: Path, http: int) -> None:
    """A minute altogether it is waited for; a longer wait is nobody's patience."""
    env = dict(KEYS)
    async with connections(tmp_path) as place, playing(reply(http, b"", "Retry-After: 7"), MINE) as iam:
        await place.client({**env, "HUAWEICLOUD_SDK_IAM_ENDPOINT": iam.url}, project_id="")
    assert place.waits.slept_s == [7.0]
    for late_s in (PATIENCE_S + 1, 3_600):
        late = reply(http, b"", f"Retry-After: {late_s}")
        async with connections(tmp_path) as place, playing(late, MINE) as iam:
            with pytest.raises(CannotRun):
                await place.client({**env, "HUAWEICLOUD_SDK_IAM_ENDPOINT": iam.url}, project_id="")
        assert (len(iam.asked), place.waits.slept_s) == (1, [])
    half = reply(http, b"", f"Retry-After: {PATIENCE_S / 2 + 1}")
    async with connections(tmp_path) as place, playing(half, half, MINE) as iam:
        with pytest.raises(CannotRun):
            await place.client({**env, "HUAWEICLOUD_SDK_IAM_ENDPOINT": iam.url}, project_id="")
    assert len(iam.asked) == 2


@pytest.mark.parametrize("http", [400, 401, 403, 404])
@pytest.mark.parametrize("env", [KEYS, USER])
async def test_iam_is_not_asked_again_what_it_has_refused(
    tmp_path: Path, env: Mapping[str, str], http: int
) -> None:
    """Wrong passwords and keys that are tried again lock the account."""
    async with connections(tmp_path) as place, playing(reply(http)) as iam:
        with pytest.raises(CredentialsError):
            await place.client({**env, "HUAWEICLOUD_SDK_IAM_ENDPOINT": iam.url}, project_id="")
    assert len(iam.asked) == 1


CREDENTIAL = {"access": "A", "secret": "S", "securitytoken": "T", "expires_at": "2026-01-16T00:00:00Z"}
KEY = reply(200, orjson.dumps({"credential": CREDENTIAL}))


@pytest.mark.parametrize("http", [404, 405, 503])
async def test_a_metadata_service_without_tokens_is_asked_in_the_older_way(tmp_path: Path, http: int) -> None:
    """As the official SDK does: version 1 is what every region has."""
    async with connections(tmp_path) as place, playing(reply(http), KEY) as metadata:
        credential = await place.credential(find_credentials(env={}, home=tmp_path), metadata.url)
    key = credential.current(place.clock.now())
    assert isinstance(key, KeyPair)
    assert (key.ak, key.security_token) == ("A", "T")
    assert [line.split()[:2] for line in metadata.asked] == [
        [b"PUT", b"/meta-data/latest/api/token"],
        [b"GET", b"/openstack/latest/securitykey"],
    ]


async def test_a_metadata_service_in_trouble_is_asked_again(tmp_path: Path) -> None:
    """Somebody is there, and says: not now."""
    token = reply(200, b"abc")
    async with connections(tmp_path) as place, playing(reply(429), token, reply(500), token, KEY) as metadata:
        credential = await place.credential(find_credentials(env={}, home=tmp_path), metadata.url)
    assert isinstance(credential.current(place.clock.now()), KeyPair)
    assert place.waits.slept_s == [0.25, 0.5]


async def test_elsewhere_than_on_a_cloud_server_nobody_waits_for_metadata(tmp_path: Path) -> None:
    """Silence is an answer there, and nearly every command without credentials hears it."""
    async with connections(tmp_path) as place, playing(None) as metadata:
        with pytest.raises(CredentialsError):
            await place.credential(find_credentials(env={}, home=tmp_path), metadata.url)
    assert (len(metadata.asked), place.waits.slept_s) == (1, [])


NORTH, SOUTH, SOUTH_DEV = "a" * 32, "b" * 32, "c" * 32
BOTH = ("cn-north-4", "cn-south-1")
PROJECTS = {"cn-north-4": NORTH, "cn-south-1": SOUTH, "cn-south-1_dev": SOUTH_DEV}


@pytest.mark.parametrize("env", [KEYS, USER])
@pytest.mark.parametrize("variable", ["HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID"])
@pytest.mark.parametrize(
    ("named", "north", "south"), [(NORTH, NORTH, SOUTH), (SOUTH, NORTH, SOUTH), (SOUTH_DEV, NORTH, SOUTH_DEV)]
)
async def test_a_project_of_the_environment_is_of_one_region_only(
    tmp_path: Path, env: Mapping[str, str], variable: str, named: str, north: str, south: str
) -> None:
    """Where a job has several regions, IAM says of which; the others have the project of their name."""
    async with connections(tmp_path, projects=PROJECTS) as place:
        for region, project_id in (("cn-north-4", north), ("cn-south-1", south)):
            client = await place.client({**env, variable: named}, region=region, project_id="", regions=BOTH)
            assert client.project_id == project_id
            assert isinstance(await client.list_page(offset=0, limit=1), Page)


async def test_rows_that_name_no_region_count_as_those_of_the_region_of_the_credentials(
    tmp_path: Path,
) -> None:
    """Beside rows of another region the project is of one of both; beside rows of that region, of it."""
    async with connections(tmp_path, projects=PROJECTS) as place:
        env = {**KEYS, "HW_REGION_NAME": "cn-north-4", "HW_PROJECT_ID": NORTH}
        for region, project_id in (("", NORTH), ("cn-south-1", SOUTH)):
            client = await place.client(env, region=region, project_id="", regions=("", "cn-south-1"))
            assert client.project_id == project_id
        unlisted = {**env, "HW_PROJECT_ID": "77"}
        client = await place.client(unlisted, region="", project_id="", regions=("", "cn-north-4"))
        assert client.project_id == "77"


async def test_a_project_of_the_environment_that_iam_does_not_list_is_of_no_region(tmp_path: Path) -> None:
    """It is neither used for all of them nor passed over."""
    async with connections(tmp_path, projects=PROJECTS) as place:
        env = {**KEYS, "HW_PROJECT_ID": "d" * 32}
        with pytest.raises(CredentialsError, match=r"d{32} of the variable or profile") as raised:
            await place.client(env, project_id="", regions=BOTH)
        assert "project_id" in raised.value.hint
        assert (await place.client(env, project_id=SOUTH, regions=BOTH)).project_id == SOUTH


async def test_project_of_the_environment_needs_no_look_up(tmp_path: Path) -> None:
    """The row's own goes before it."""
    async with connections(tmp_path) as place:
        env = {**KEYS, "HUAWEICLOUD_SDK_PROJECT_ID": "77"}
        assert (await place.client(env, project_id="")).project_id == "77"
        assert (await place.client(env)).project_id == PROJECT


async def test_project_look_up_with_a_wrong_key_is_told(tmp_path: Path) -> None:
    """With the gateway's code."""
    async with connections(tmp_path) as place:
        with pytest.raises(CredentialsError, match=r"region cn-north-4.*APIGW\.0301"):
            await place.client({**KEYS, "HUAWEICLOUD_SDK_SK": "wrong"}, project_id="")


async def test_agency_of_the_cloud_server_gives_keys_that_end(tmp_path: Path) -> None:
    """They come from the metadata service and are renewed in time."""
    async with connections(tmp_path) as place:
        credential = await place.credential(find_credentials(env={}, home=tmp_path))
        key = credential.current(place.clock.now())
        assert isinstance(key, KeyPair)
        assert key.security_token
        assert key.expires_at
        assert credential.current(key.expires_at) is None
        assert isinstance(await credential.renewed(), KeyPair)


async def test_without_any_credentials_the_places_are_listed(tmp_path: Path) -> None:
    """A cloud server without an agency answers 404; elsewhere nobody answers at all."""
    async with connections(tmp_path) as place, answering(404, b"") as url:
        for address in (url, "http://127.0.0.1:1"):
            with pytest.raises(CredentialsError, match="HUAWEICLOUD_SDK_AK") as raised:
                await place.credential(find_credentials(env={}, home=tmp_path), address)
            assert str(tmp_path) in raised.value.message


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("throttle_429", Throttled),
        ("throttle_400", Throttled),
        ("error_500", Doubt),
        ("error_502", Doubt),
        ("error_503", Doubt),
        ("error_504_0011", Reject),
        ("error_504_0012", Reject),
        ("error_504_0013", Doubt),
        ("reset", Doubt),
        ("truncated_body", Doubt),
        ("html_body", Doubt),
        ("empty_body", Doubt),
        ("broken_json", Doubt),
        ("wrong_echo", Done),
        ("string_ports", Done),
    ],
)
async def test_every_fault_has_its_verdict(tmp_path: Path, fault: str, kind: type) -> None:
    """And none makes the client send the PUT twice."""
    async with connections(tmp_path, faults={"rules": [{"kind": fault, "method": "PUT"}]}) as place:
        client = await place.client()
        await client.show(ID)
        verdict = await put(client)
        assert isinstance(verdict, kind)
        assert place.simulator.stats["requests"]["modify"] == 1


@pytest.mark.parametrize("fault", ["error_500", "reset", "truncated_body", "html_body", "empty_body"])
async def test_every_lost_read_is_worth_another_attempt(tmp_path: Path, fault: str) -> None:
    """A read changes nothing."""
    async with connections(tmp_path, faults={"rules": [{"kind": fault, "times": 2}]}) as place:
        client = await place.client()
        assert isinstance(await client.show(ID), Retry)
        assert isinstance(await client.list_page(offset=0, limit=10), Retry)


@pytest.mark.parametrize("shape", get_args(ErrorShape))
@pytest.mark.parametrize("http", [400, 404])
async def test_missing_service_is_recognised_in_every_shape(
    tmp_path: Path, shape: ErrorShape, http: Literal[400, 404]
) -> None:
    """As long as the code or the status says so."""
    switches = Switches(error_shape=shape, missing_service_http=http)
    async with connections(tmp_path, switches=switches) as place:
        verdict = await (await place.client()).show(ServiceId("77777777-8882-4871-a3c2-d380272eed83"))
    told = http == 404 or shape in {"nested", "flat", "gateway", "wrapped"}
    assert isinstance(verdict, Missing if told else Reject)


async def test_limit_is_read_from_the_refusal(tmp_path: Path) -> None:
    """The gateway states it in words."""
    async with connections(tmp_path, limits=["fixed:1/60s"]) as place:
        client = await place.client()
        await client.show(ID)
        verdict = await client.show(ID)
    assert isinstance(verdict, Throttled)
    assert verdict.limit
    assert (verdict.limit.requests, verdict.limit.window_s) == (1, 60.0)


async def test_reader_cannot_write(tmp_path: Path) -> None:
    """Dry-run by construction: there is no method for it."""
    async with connections(tmp_path) as place:
        target = Target(region="cn-north-4", project_id=PROJECT)
        reader = await connect(ReadClient, target, place.access(KEYS))
    assert not hasattr(reader, "send")


async def test_project_id_that_fits_no_path_is_refused(tmp_path: Path) -> None:
    """It would reach another address than the one shown."""
    async with connections(tmp_path) as place:
        with pytest.raises(UsageError, match="is not a project id"):
            await place.client(project_id="a/../b")


def tokens_issued(simulator: Simulator) -> int:
    """Return how many tokens IAM has issued."""
    return int(simulator.stats["requests"]["POST /v3/auth/tokens"])
