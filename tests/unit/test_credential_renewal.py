"""A credential through its life: in force, due, renewed, refused."""

import asyncio
from collections.abc import Awaitable, Callable

from bulk.model import Abort, Reply, Retry
from bulk.vpcep.identity import RENEWAL_PAUSE_S, TRIES, Credential, LoginPatience
from bulk.vpcep.keys import KeyPair, Secret, Token

NO = Abort(reply=Reply(http=401), hint="check the password")
LATER = Retry(reply=Reply(http=503, code="APIGW.0613", message="no"))
UNREACHED = Retry(
    reply=Reply(code="not_renewed", message="the credentials cannot be renewed: http 503 APIGW.0613 no")
)
"""Without a status, as where nobody answers: no row is to blame for IAM."""


class Iam:
    """Gives the results it was told to give, one for each renewal, and counts."""

    def __init__(self, *results: Secret | Retry | Abort) -> None:
        self.now = 1000.0
        self.asked = 0
        self.slept_s: list[float] = []
        self._results = list(results)

    async def renew(self) -> Secret | Retry | Abort:
        """Return the next result, letting everybody else go first."""
        self.asked += 1
        await asyncio.sleep(0)
        return self._results.pop(0)

    async def sleep(self, wait_s: float) -> None:
        """Note that somebody waits, and let the time pass."""
        self.slept_s.append(wait_s)
        self.now += wait_s


def token(name: str, expires_at: float | None = 2000.0) -> Token:
    """Return a token that ends at this time."""
    return Token(value=name, expires_at=expires_at)


def credential(iam: Iam, secret: Secret, *, renewable: bool = True) -> Credential:
    """Return a credential of this IAM that begins with this secret."""
    renew: Callable[[], Awaitable[Secret | Retry | Abort]] | None = iam.renew if renewable else None
    patience = LoginPatience(monotonic=lambda: iam.now, sleep=iam.sleep, roll=lambda: 0.5)
    return Credential(account="acme", now=lambda: iam.now, secret=secret, renew=renew, patience=patience)


async def together(count: int, ask: Callable[[], Awaitable[Secret | Retry | Abort]]) -> set[object]:
    """Let so many ask at once and give the different answers."""
    return set(await asyncio.gather(*(ask() for _ in range(count))))


def test_secret_is_in_force_until_80_percent_of_its_life() -> None:
    """Then it is due, while it still has a fifth to live."""
    mine = credential(Iam(), token("t1"))
    assert mine.current(1799.0) == token("t1")
    assert mine.current(1800.0) is None


def test_secret_that_cannot_be_renewed_is_always_in_force() -> None:
    """The server says when it has ended."""
    mine = credential(Iam(), token("t1"), renewable=False)
    assert mine.current(1e12) == token("t1")
    assert not mine.renewable


def test_secret_without_an_end_is_always_in_force() -> None:
    """Until it is refused."""
    assert credential(Iam(), KeyPair(ak="a", sk="s")).current(1e12)


async def test_one_renewal_serves_all_who_wait() -> None:
    """Fifty workers ask IAM once."""
    iam = Iam(token("t2", 3000.0))
    mine = credential(iam, token("t1"))
    iam.now = 1900.0
    assert await together(50, mine.renewed) == {token("t2", 3000.0)}
    assert iam.asked == 1
    assert mine.current(iam.now) == token("t2", 3000.0)


async def test_refused_secret_is_replaced_once_for_all_who_used_it() -> None:
    """Who comes late with the old one gets the new one at once."""
    iam, old = Iam(token("t2")), token("t1")
    mine = credential(iam, old)
    assert await together(9, lambda: mine.renewed(refused=old)) == {token("t2")}
    assert await mine.renewed(refused=old) == token("t2")
    assert iam.asked == 1


async def test_failed_renewal_leaves_the_old_secret_to_its_end() -> None:
    """IAM out of reach for a minute stops and delays nothing; it is asked again after a pause."""
    iam = Iam(LATER, token("t2", 3000.0))
    mine = credential(iam, token("t1"))
    iam.now = 1900.0
    assert await mine.renewed() == token("t1")
    assert iam.slept_s == []
    assert mine.current(1900.0 + RENEWAL_PAUSE_S - 1) == token("t1")
    iam.now = 1900.0 + RENEWAL_PAUSE_S
    assert mine.current(iam.now) is None
    assert await mine.renewed() == token("t2", 3000.0)


async def test_an_ended_secret_is_renewed_as_soon_as_iam_is_back() -> None:
    """No row is to blame for IAM: it is asked again, and only then does a request go without a secret."""
    iam = Iam(*[LATER] * (TRIES - 1), token("t2", 3000.0))
    mine = credential(iam, token("t1"))
    iam.now = 2000.0
    assert await mine.renewed() == token("t2", 3000.0)
    assert iam.slept_s == [0.25, 0.5, 1.0, 2.0, 4.0]


async def test_failed_renewal_of_an_ended_secret_is_told() -> None:
    """There is nothing to go on with, but a later try may do."""
    iam = Iam(*[LATER] * TRIES, token("t2", 3000.0))
    mine = credential(iam, token("t1"))
    iam.now = 2000.0
    assert await mine.renewed() == UNREACHED
    assert await mine.renewed() == token("t2", 3000.0)


async def test_failed_renewal_of_a_refused_secret_is_told() -> None:
    """The old one is known to be of no use."""
    old, iam = token("t1"), Iam(*[LATER] * TRIES)
    assert await credential(iam, old).renewed(refused=old) == UNREACHED
    assert iam.asked == TRIES


async def test_refused_renewal_is_the_last() -> None:
    """A wrong password tried again and again locks the account."""
    iam, old = Iam(NO), token("t1")
    mine = credential(iam, old)
    assert await together(50, lambda: mine.renewed(refused=old)) == {NO}
    assert await mine.renewed() == NO
    assert iam.asked == 1


async def test_renewal_that_was_cancelled_is_done_by_the_next() -> None:
    """A worker that is stopped in the middle leaves nobody waiting."""
    iam = Iam(token("t2"))
    mine = credential(iam, token("t1"))
    first = asyncio.create_task(mine.renewed())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    assert await mine.renewed() == token("t2")
    assert iam.asked == 2
