"""`bulk worker`: this machine signs and sends what runs elsewhere ask for."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bulk.app.connections import Connections
from bulk.app.environment import Environment
from bulk.app.fleets import open_fleets
from bulk.app.jobs import Flags
from bulk.app.signals import stop_signals
from bulk.app.sources import ApiAddress
from bulk.app.way import api_of
from bulk.errors import BulkError, CredentialsError, JobInvalid, UsageError
from bulk.model import Issue, Target
from bulk.settings import SETTINGS, SIMULATOR, FleetSettings, read_settings
from bulk.settings.forms import LOCAL_WORKERS
from bulk.vpcep.client import Client
from bulk.vpcep.credentials import find_credentials, profiles_of
from bulk.workers.link import open_link
from bulk.workers.nats_login import nats_login
from bulk.workers.serving import WorkerServer, at_a_worker
from bulk.workers.subjects import Workplace


async def work(url: str, served: Sequence[str], flags: Flags, environment: Environment) -> None:
    """Serve places until a signal comes, then answer what was taken and return.

    Raises UsageError and CredentialsError where there is nothing to serve, CannotRun where NATS refuses us.
    """
    settings = read_settings(FleetSettings, {}, flags=flags)
    if not isinstance(settings, FleetSettings):
        raise JobInvalid(settings)
    _must_be_nats(url)
    if settings.where.endpoint == SIMULATOR:
        raise UsageError(
            "the bundled simulator is started by a job",
            hint="start `bulk simulator`, and name it: --endpoint http://127.0.0.1:PORT",
        )
    places = tuple(dict.fromkeys(_places(served, settings.where.region, environment)))
    login = nats_login(environment.env, environment.home)
    if login.warning:
        environment.notify(login.warning)
    address = ApiAddress(url=settings.where.endpoint)
    async with open_fleets(Client, settings, address, environment) as connections:
        usable = await _usable(places, connections, environment.notify, are_named=bool(served))
        async with open_link(url, login, environment.env, is_run=False, note=environment.notify) as link:
            server = WorkerServer(link, api_of(connections), environment.clock, environment.notify)
            await _serve(server, usable, environment)


def _must_be_nats(url: str) -> None:
    hint = "write tls://HOST:PORT; user and password go into the file that BULK_NATS_CREDENTIALS names"
    if url == LOCAL_WORKERS:
        raise UsageError(f"--connect {url} would serve nobody: runs start it themselves", hint=hint)
    if not url:
        raise UsageError("no NATS is named, over which runs ask", hint=f"add --connect: {hint}")
    if isinstance(issue := SETTINGS["via"].form.read(url), Issue):
        raise UsageError(f"--connect: {issue.message}", hint=hint)


async def _serve(server: WorkerServer, places: Sequence[Workplace], environment: Environment) -> None:
    stop = asyncio.Event()
    with stop_signals(lambda _: stop.set()):
        for place in places:
            await server.serve(place)
        await server.greet_anywhere()
        served = ", ".join(map(str, places))
        environment.notify(f"worker {server.name} serves {served}, at {server.link.url}")
        ends: set[asyncio.Future[Any]] = {asyncio.ensure_future(stop.wait()), server.link.ended}
        _, left = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for each in left:
            each.cancel()
        server.link.must_not_have_ended()
        environment.notify("nothing new is taken; what was taken is still answered")
        await server.drain()
    environment.notify(f"worker {server.name}: {server.tally}")


async def _usable(
    places: Sequence[Workplace],
    connections: Connections[Client],
    notify: Callable[[str], object],
    *,
    are_named: bool,
) -> list[Workplace]:
    """Return the places that have credentials; raise why not, of one that was named, or where none has."""
    usable, errors = list[Workplace](), list[CredentialsError]()
    for place in places:
        try:
            await connections.must_be_usable(Target(place.region, "", place.profile))
            usable.append(place)
        except BulkError as error:
            error.hint = at_a_worker(error.hint)
            if are_named or not isinstance(error, CredentialsError):
                raise
            errors.append(error)
            notify(f"{place} is not served: {error.message}")
    if not usable:
        raise errors[0]
    return usable


def _places(served: Sequence[str], region: str, environment: Environment) -> Iterable[Workplace]:
    """Return what is served: what is named, or each profile in the region of the settings, or in its own."""
    return map(_named, served) if served else _found_places(region, environment)


def _named(text: str) -> Workplace:
    # A text that came from a variable is of a class of its own, which no message takes.
    place = Workplace(*str(text).partition("/")[::2])
    issue = _issue_of(place)
    if issue or not place.region:
        hint = issue.hint if issue else "write cn-north-4 or cn-north-4/prod"
        raise UsageError(f"--serve {text!r} is not REGION or REGION/PROFILE", hint=hint)
    return place


def _found_places(region: str, environment: Environment) -> list[Workplace]:
    """Return a place for each profile, but for those without a region, and those that no run can name."""
    profiles = dict.fromkeys(["", *profiles_of(env=environment.env, home=environment.home)])
    found = [Workplace(region or _found_region(profile, environment), profile) for profile in profiles]
    places = list[Workplace]()
    for place in found:
        if issue := _issue_of(place):
            environment.notify(f"{place} is not served: {issue.message}, so no run can ask for it")
        elif place.region:
            places.append(place)
    if not places:
        raise UsageError("no region is named to serve", hint="add --serve cn-north-4, or set BULK_REGION")
    return places


def _issue_of(place: Workplace) -> Issue | None:
    """Return what is wrong with the region or the profile of a place, if anything is."""
    read = (SETTINGS[name].form.read(value) for name, value in place._asdict().items())
    return next((each for each in read if isinstance(each, Issue)), None)


def _found_region(profile: str, environment: Environment) -> str:
    """Return the region of the credentials of a profile; empty where they have none, or cannot be used."""
    try:
        return find_credentials(env=environment.env, home=environment.home, profile=profile).region
    except CredentialsError:
        return ""
