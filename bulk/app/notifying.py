"""Notifying those whom a job names: which of them, in which form, by which request."""

import os
import re
import secrets
from asyncio import TaskGroup
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from bulk.app.connections import login_patience
from bulk.app.courier import Couriers, Parcel, deliver
from bulk.app.environment import Environment
from bulk.app.outbox_file import Outbox
from bulk.errors import BulkError, CredentialsError, UsageError
from bulk.ledger.chain import timestamp
from bulk.ledger.records import Json
from bulk.operations.bots import content_for
from bulk.operations.notices import BotForm, Event, Events
from bulk.operations.outbox import Sent
from bulk.settings import SIMULATOR, Job, NotifySettings
from bulk.vpcep import regions, smn
from bulk.vpcep.addresses import Addresses, addresses_of, needs_a_word
from bulk.vpcep.credentials import find_credentials
from bulk.vpcep.exchanges import Servers
from bulk.vpcep.found import Found
from bulk.vpcep.identity import open_credential
from bulk.vpcep.kept_files import exposure, path_of
from bulk.vpcep.keys import KeyPair, Secret, Stamp, Token
from bulk.vpcep.unhonoured import refuse_unhonoured
from bulk.vpcep.wire import open_wire

_URL = re.compile(r"(https?://[^/?#\s@]+)(/[!\"$->@-~]*)?(?:\?([!\"$-~]*))?")
"""Origin, path and query; no user, no fragment, nothing that is not printable ASCII."""
_URL_BYTES_MAX = 8_192
ON_THE_WAY_S = 60.0
"""No courier takes longer for a message: three tries of 10 s, and pauses."""
_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What somebody is notified of.

    * text: a line that says what happened, and the command to type next
    * status: the object of `status --output json`
    """

    events: frozenset[Event]
    text: str
    status: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookUrl:
    """The URL of a webhook, in parts; what stands behind the host is a secret."""

    base: str
    path: str = field(repr=False)
    query: str = field(repr=False)


class Notifier:
    """Notifies those whom a job names; it raises no error, and the run does not wait for it."""

    def __init__(self, job: Job, outbox: Outbox, environment: Environment) -> None:
        self.outbox = outbox
        self._job = job
        self._environment = environment
        self._couriers = Couriers(environment.env)
        self._secrets: dict[str, Secret | BulkError] = {}
        """The secret that was asked for to sign the messages of a table to SMN, or why there is none."""

    def notify(self, message: Message, *, may_sign: bool = True) -> None:
        """Send a message to all who want to know of one of its events.

        Without `may_sign` nothing is signed with the credentials: the cloud has refused them.
        """
        parcels = []
        for name, table in self._job.notify:
            if about := message.events & table.on.members:
                id_, at = secrets.token_hex(8), timestamp(self._environment.clock.now())
                self.outbox.add(id=id_, at=at, to=name, about=str(Events(members=about)))
                try:
                    if table.to and not may_sign:
                        raise CredentialsError(
                            "the credentials were refused", hint="they are not tried again"
                        )
                    parcels.append(self.parcel(name, table, message, id_))
                except BulkError as error:
                    self.outbox.add(id=id_, at=at, failed=f"{error.message}; {error.hint}")
        if parcels:
            self._couriers.send(parcels, self.outbox)

    def lost(self, *, only_failed: bool = False) -> Iterator[Sent]:
        """Yield the messages that did not arrive, or may not have, once each; not those on their way."""
        left_before = timestamp(self._environment.clock.now() - ON_THE_WAY_S)
        for id_, sent in self.outbox.lost().items():
            if sent.has_failed or not (only_failed or sent.at > left_before):
                self.outbox.add(id=id_, noted=True)
                yield sent

    def wait(self) -> None:
        """Return once every message has been taken or given up."""
        self._couriers.wait()

    async def test(self, message: Message) -> dict[str, str]:
        """Send a message to each table at once; return why it was not taken, empty where it was, by name."""
        environment = self._environment
        await self.prepare()
        async with open_wire(clock=environment.clock, env=environment.env) as wire, TaskGroup() as group:

            async def tried(name: str, table: NotifySettings) -> str:
                try:
                    parcel = self.parcel(name, table, message, "")
                except BulkError as error:
                    return f"{error.message}; {error.hint}"
                return await deliver(parcel, wire, environment.clock.sleep)

            tries = {name: group.create_task(tried(name, table)) for name, table in self._job.notify}
        return {name: task.result() for name, task in tries.items()}

    async def prepare(self) -> None:
        """Ask for the secrets that sign messages to SMN, where no key is at hand."""
        for name, table in self._job.notify:
            if table.to:
                try:
                    await self._ask_for_secret(name, smn.topic_of(table.to))
                except BulkError as error:
                    self._secrets[name] = error

    async def _ask_for_secret(self, name: str, topic: smn.Topic) -> None:
        found, where = self._credentials(topic)
        if isinstance(found.source, KeyPair | Token):
            return
        environment = self._environment
        async with open_wire(clock=environment.clock, env=environment.env) as wire:
            credential = await open_credential(
                found,
                wire=wire,
                servers=Servers(
                    iam=where.iam, sts=where.sts, region=topic.region, project_id=topic.project_id
                ),
                patience=login_patience(environment),
            )
            if secret := credential.current(environment.clock.now()):
                self._secrets[name] = secret

    def parcel(self, name: str, table: NotifySettings, message: Message, id_: str) -> Parcel:
        """Return a message as a request; raise BulkError, which shows nothing secret, where there is none."""
        return (
            self._to_topic(name, table, message, id_) if table.to else self._to_bot(name, table, message, id_)
        )

    def _to_topic(self, name: str, table: NotifySettings, message: Message, id_: str) -> Parcel:
        topic = smn.topic_of(table.to)
        found, where = self._credentials(topic)
        now = self._environment.clock.now()
        secret = found.source if isinstance(found.source, KeyPair | Token) else self._secrets.get(name)
        if isinstance(secret, BulkError):
            raise secret
        if secret is None or (secret.expires_at is not None and secret.expires_at <= now):
            raise CredentialsError("there is no token for SMN", hint="its topic needs one of its project")
        api = cast("regions.Endpoint", where.api)
        endpoint = smn.smn_endpoint(topic, api=api, env=self._environment.env)
        request = smn.publish(topic, subject=message.text.partition("\n")[0], message=message.text)
        fixed = {"Host": endpoint.authority, "Content-Type": _JSON, "X-Project-Id": topic.project_id}
        return Parcel(
            id=id_,
            to=name,
            form="",
            base=str(endpoint),
            path=request.path,
            query="",
            headers=Stamp(secret, fixed).headers(request, now),
            body=request.body.decode(),
            secrets=secret.confidential,
        )

    def _credentials(self, topic: smn.Topic) -> tuple[Found, Addresses]:
        """Return the credentials at hand, and where they may go.

        Raises UsageError where that is no host that a person has named, CredentialsError where others may be
        meant.
        """
        environment, job = self._environment, self._job.where
        if job.endpoint == SIMULATOR:
            raise UsageError("the bundled simulator has no SMN", hint="start `bulk simulator` by itself")
        env = environment.env
        found = find_credentials(env=env, home=environment.home, profile=job.profile)
        where = addresses_of(found, region=topic.region, endpoint=job.endpoint, env=env)
        if not job.profile:
            refuse_unhonoured(env, found)
        if needs_a_word(where, found, named=environment.named_endpoint, env=env):
            api = cast("regions.Endpoint", where.api)  # a topic has a region
            raise UsageError(f"{api.host} is no host that bulk knows", hint=f"add --endpoint {api}")
        return found, where

    def _to_bot(self, name: str, table: NotifySettings, message: Message, id_: str) -> Parcel:
        form, address, secret = table.form or BotForm.JSON, self._address(table), ""
        if table.secret_env and not (secret := self._environment.env.get(table.secret_env, "").strip()):
            raise UsageError(f"{table.secret_env} is not set", hint="set it to the secret of the bot")
        now = self._environment.clock.now()
        content = content_for(form, message.text, message.status, secret=secret, now=now)
        headers = {"Host": address.base.partition("://")[2], "Content-Type": _JSON}
        return Parcel(
            id=id_,
            to=name,
            form=form,
            base=address.base,
            path=address.path,
            query="&".join(filter(None, (address.query, content.query))),
            headers=headers | {"X-Bulk-Event": str(Events(members=message.events))},
            body=content.body.decode(),
            secrets=tuple(filter(None, (secret, address.path.strip("/"), address.query))),
        )

    def _address(self, table: NotifySettings) -> WebhookUrl:
        """Return where the messages of a table go; raise UsageError, which shows nothing of the URL."""
        if table.url_env:
            place, url = table.url_env, self._environment.env.get(table.url_env, "").strip()
            if not url:
                raise UsageError(f"{place} is not set", hint="set it to the URL")
        else:
            place = table.url_file
            url = self._content(place)
        found = _URL.fullmatch(url)
        if not found:
            raise UsageError(f"{place} holds no usable URL", hint="write https://HOST/PATH, without a user")
        base, path, query = found.groups()
        endpoint = regions.parse_endpoint(base)
        return WebhookUrl(base=str(endpoint), path=path or "/", query=query or "")

    def _content(self, named: str) -> str:
        """Return what stands in a file; raise UsageError where it cannot be read, or others may write it."""
        path = path_of(named, self._environment.home)
        try:
            with path.open("rb") as file:
                if warning := exposure(path, os.fstat(file.fileno()), "the file"):
                    self._environment.notify(warning)
                return file.read(_URL_BYTES_MAX).decode("utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise UsageError(f"the file {path} cannot be read: {why}", hint="check the path") from None
