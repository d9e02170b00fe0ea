"""Limits that outlive a run."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from bulk.model import LaneName, Limit, RequestKind
from bulk.pacing.learned_limits import AGE_S_MAX, Learned, LearnedLimits, LimitOwner, state_folder

NOW = 1_768_465_800.0
LANE = LaneName(host="vpcep.cn-north-4.myhuaweicloud.com", region="cn-north-4", account="d41d8cd98f00")
WRITES = LimitOwner(lane=LANE, kind=RequestKind.WRITES)
READS = LimitOwner(lane=LANE, kind=RequestKind.READS)
USER = Limit(requests=60, window_s=60.0, policy="user")


def test_a_limit_comes_back_with_its_age(tmp_path: Path) -> None:
    """What one run found, the next one reads, and knows how old it is."""
    LearnedLimits(tmp_path).write(WRITES, USER, NOW)
    assert LearnedLimits(tmp_path).read(WRITES, NOW + 90.0) == Learned(limit=USER, age_s=90.0)


def test_each_budget_has_its_own_limit(tmp_path: Path) -> None:
    """Hosts, accounts, regions and kinds never mix, also where their names run into each other."""
    limits = LearnedLimits(tmp_path)
    limits.write(WRITES, USER, NOW)
    assert limits.read(READS, NOW) is None
    for lane in (LANE._replace(region="cn-north-", account="4d41d8cd98f00"), LANE._replace(host="127.0.0.1")):
        assert limits.read(LimitOwner(lane=lane, kind=RequestKind.WRITES), NOW) is None


def test_the_last_limit_counts(tmp_path: Path) -> None:
    """A file is replaced as a whole, and nothing is left beside it."""
    limits = LearnedLimits(tmp_path)
    limits.write(WRITES, USER, NOW)
    limits.write(WRITES, Limit(requests=200, window_s=1.0), NOW + 5)
    learned = limits.read(WRITES, NOW + 5)
    assert learned is not None
    assert learned.limit.requests == 200
    assert len(list((tmp_path / "limits").iterdir())) == 1


def test_an_old_limit_is_forgotten(tmp_path: Path) -> None:
    """After thirty days, and where the clock went back, it is as if there were none."""
    limits = LearnedLimits(tmp_path)
    limits.write(WRITES, USER, NOW)
    assert limits.read(WRITES, NOW + AGE_S_MAX) is not None
    assert limits.read(WRITES, NOW + AGE_S_MAX + 1) is None
    assert limits.read(WRITES, NOW - 1) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"7",
        b"{}",
        b'{"requests":"many","window_s":1,"policy":"","at":0}',
        b'{"requests":0,"window_s":1,"policy":"","at":1768465800}',
        b'{"requests":5,"window_s":0,"policy":"","at":1768465800}',
        b'{"requests":5,"window_s":-1,"policy":"","at":1768465800}',
        b'{"requests":5,"window_s":1e300,"policy":"","at":1768465800}',
        b'{"requests":5,"window_s":1,"policy":"","at":null}',
        b'{"requests":null,"window_s":1,"policy":"","at":0}',
    ],
)
def test_a_file_without_sense_is_as_good_as_none(tmp_path: Path, text: bytes) -> None:
    """Torn, foreign or edited: the search begins as if nothing were known."""
    limits = LearnedLimits(tmp_path)
    limits.write(WRITES, USER, NOW)
    next((tmp_path / "limits").iterdir()).write_bytes(text)
    assert limits.read(WRITES, NOW) is None


def test_a_place_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    """A state directory that is a file, or a limit that is a folder, costs the knowledge and no more."""
    (tmp_path / "state").write_text("in the way")
    LearnedLimits(tmp_path / "state").write(WRITES, USER, NOW)
    assert LearnedLimits(tmp_path / "state").read(WRITES, NOW) is None
    (tmp_path / "limits" / f"{WRITES.digest}.json").mkdir(parents=True)
    LearnedLimits(tmp_path).write(WRITES, USER, NOW)
    assert [path.name for path in (tmp_path / "limits").iterdir()] == [f"{WRITES.digest}.json"]


def test_the_account_is_in_no_file_and_nobody_else_may_read(tmp_path: Path) -> None:
    """The name is a digest, the content tells region and kind, the mode is private."""
    LearnedLimits(tmp_path).write(WRITES, USER, NOW)
    path = next((tmp_path / "limits").iterdir())
    assert LANE.account not in path.name
    assert orjson.loads(path.read_bytes()) == {
        "region": "cn-north-4",
        "kind": "writes",
        "requests": 60,
        "window_s": 60.0,
        "policy": "user",
        "at": NOW,
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_folder_is_where_the_desktop_standard_says(tmp_path: Path) -> None:
    """`XDG_STATE_HOME` where it is absolute, else `~/.local/state`."""
    home = tmp_path
    assert state_folder({"XDG_STATE_HOME": "/var/state"}, home) == Path("/var/state/bulk")
    assert state_folder({"XDG_STATE_HOME": "state"}, home) == home / ".local" / "state" / "bulk"
    assert state_folder({}, home) == home / ".local" / "state" / "bulk"


@pytest.mark.parametrize("plant", [Path.symlink_to, lambda path, _: os.mkfifo(path)], ids=["link", "pipe"])
def test_a_file_that_somebody_planted_is_as_good_as_none(
    tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    """Nothing is read through a link, nor waited for at a pipe; what is learned takes its place."""
    limits = LearnedLimits(tmp_path)
    limits.write(WRITES, USER, NOW)
    [path] = (tmp_path / "limits").iterdir()
    victim = path.rename(tmp_path / "victim")
    before = victim.read_bytes()
    plant(path, victim)
    assert limits.read(WRITES, NOW) is None
    limits.write(WRITES, USER, NOW)
    assert limits.read(WRITES, NOW) == Learned(limit=USER, age_s=0.0)
    assert victim.read_bytes() == before
