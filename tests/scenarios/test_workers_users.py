"""Users of an operator, by JWT, with the rights that the lines for nsc in jobs/README.md give them."""

import base64
import secrets
import shlex
from pathlib import Path
from typing import Any

import nats
import nkeys
import orjson

from bulk.workers.messages import FRAMES_MAX
from bulk.workers.nats_login import nats_login
from tests.documents import file_block
from tests.nats_servers import nats_server
from tests.scenarios.stage import WAIT_S

HELLO, READ, WRITE = (f"bulk.1.cn-north-4.%.{end}" for end in ("hello", "w.read", "w.write"))


def nkey(prefix: int) -> nkeys.KeyPair:
    """Return a new key of NATS."""
    return nkeys.from_seed(nkeys.encode_seed(secrets.token_bytes(32), prefix))


def token(name: str, kind: str, key: nkeys.KeyPair, issuer: nkeys.KeyPair, **claims: Any) -> str:
    """Return a JWT as nsc writes them."""
    issued = {"iat": 1, "iss": issuer.public_key.decode(), "sub": key.public_key.decode(), "name": name}
    body = issued | {"nats": claims | {"type": kind, "version": 2}}
    parts = ({"typ": "JWT", "alg": "ed25519-nkey"}, body)
    text = b".".join(base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=") for part in parts)
    return (text + b"." + base64.urlsafe_b64encode(issuer.sign(text)).rstrip(b"=")).decode()


def rights_of(command: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a user, and the rights that a line of nsc gives it."""
    _, _, _, name, *flags = shlex.split(command.replace("=", " "))
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    assert set(given) <= {"--allow-pub", "--allow-sub", "--allow-pub-response", "--response-ttl"}
    rights = {
        what: {"allow": given[f"--allow-{what}"].split(",")}
        for what in ("pub", "sub")
        if f"--allow-{what}" in given
    }
    if "--allow-pub-response" in given:
        minutes = int(given["--response-ttl"].removesuffix("m"))
        rights["resp"] = {"max": int(given["--allow-pub-response"]), "ttl": minutes * 60 * 10**9}
    return name, rights


async def test_users_of_an_operator_have_the_rights_of_the_page(tmp_path: Path) -> None:
    """As the lines of nsc give them: the worker answers in parts, and each is held to what it is for."""
    operator, account = nkey(nkeys.PREFIX_BYTE_OPERATOR), nkey(nkeys.PREFIX_BYTE_ACCOUNT)
    limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
    operator_jwt = token("o", "operator", operator, operator)
    account_jwt = token("bulk", "account", account, operator, limits=limits | {"wildcards": True})
    settings = (
        f"operator: {operator_jwt}\nresolver: MEMORY\n"
        f"resolver_preload: {{ {account.public_key.decode()}: {account_jwt} }}\n"
    )
    unlimited = dict.fromkeys(("subs", "data", "payload"), -1)
    for line in file_block("users.sh").splitlines():
        user, (name, rights) = nkey(nkeys.PREFIX_BYTE_USER), rights_of(line)
        (tmp_path / f"{name}.creds").write_text(
            f"-----BEGIN NATS USER JWT-----\n{token(name, 'user', user, account, **rights, **unlimited)}\n"
            "------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
        )
        (tmp_path / f"{name}.creds").chmod(0o600)
    with nats_server(tmp_path / "nats", settings) as url:
        refusals, login = [], nats_login({"BULK_NATS_CREDENTIALS": str(tmp_path / "run.creds")}, tmp_path)
        assert login.inbox == "_INBOX.run"

        async def refused(error: Exception) -> None:
            refusals.append(str(error))

        worker = await nats.connect(url, user_credentials=str(tmp_path / "worker.creds"), error_cb=refused)
        run = await nats.connect(
            url, user_credentials=str(tmp_path / "run.creds"), inbox_prefix=login.inbox, error_cb=refused
        )

        async def answer(message: Any) -> None:
            for _ in range(FRAMES_MAX):
                await worker.publish(message.reply, b"part")

        for subject in (HELLO, READ, WRITE):
            await worker.subscribe(subject, cb=answer)
        await worker.flush()
        await worker.flush()  # see below
        inbox = await run.subscribe("_INBOX.run.answer")
        for subject in (HELLO, READ, WRITE):
            await run.publish(subject, b"", reply="_INBOX.run.answer")
            for _ in range(FRAMES_MAX):
                assert (await inbox.next_msg(WAIT_S)).data == b"part"
        assert not refusals
        await worker.publish(WRITE, b"")
        await run.subscribe(WRITE)
        for client in (worker, run):
            for _ in range(2):  # the first question of nats-py may overtake what it was to come after
                await client.flush()
            await client.close()
    assert sorted(each.partition(" to ")[0] for each in refusals) == [
        "nats: permissions violation for publish",
        "nats: permissions violation for subscription",
    ]
