"""The tables `[notify.NAME]` of job.toml: what they take, and that no secret in them is ever shown."""

from pathlib import Path
from typing import Any

import pytest

from bulk.app.jobs import usable_job
from bulk.model import Issue
from bulk.operations.notices import BotForm, Event, Events
from bulk.settings import Job, NotifySettings, job_schema, read_job, read_settings, settings_json

SECRET = "https://open.feishu.cn/open-apis/bot/v2/hook/0123456789abcdef"
TOPIC = "smn:urn:smn:cn-north-4:6e9dfd51d1124e8d8498dce894923a0d:bulk-ops"
BOT = 'form = "feishu"\nurl_env = "BULK_NOTIFY_OPS"\n'


def read(toml: str) -> Job | tuple[Issue, ...]:
    """Return what becomes of a job.toml, whose first line is the rows."""
    return read_job(f'rows = "x.csv"\n{toml}'.encode(), name="job.toml", flags={})


def table(toml: str) -> NotifySettings:
    """Return the only table of a job.toml."""
    job = read(toml)
    assert isinstance(job, Job), job
    ((_, found),) = job.notify
    return found


def issues_of(toml: str) -> list[str]:
    """Return what is wrong with a job.toml."""
    found = read(toml)
    assert isinstance(found, tuple)
    return list(map(str, found))


def test_a_bot_has_a_form_and_the_name_of_the_variable_with_its_url() -> None:
    """Without `on`, it is notified of an end and that a person is needed."""
    found = table(f"[notify.ops]\n{BOT}")
    assert found == NotifySettings(form=BotForm.FEISHU, url_env="BULK_NOTIFY_OPS")
    assert str(found) == "feishu: person,end"
    assert table(f'[notify.ops]\nto = "{TOPIC}"') == NotifySettings(to=TOPIC)
    assert (
        table('notify = { a = { form = "json", url_file = "/run/secrets/x" } }').url_file == "/run/secrets/x"
    )


@pytest.mark.parametrize("written", ['["wave", "end"]', '"end,wave"', '" end , wave "'])
def test_events_may_stand_in_any_order(written: str) -> None:
    """As a list, or as one text."""
    assert table(f"[notify.ops]\n{BOT}on = {written}").on == Events(
        members=frozenset({Event.WAVE, Event.END})
    )


BAD = [
    ("[notify.ops]\n", "2:2: notify.ops: names nobody; add `to`, or `form`"),
    ('[notify.ops]\nform = "feishu"\n', "2:2: notify.ops: does not say where the URL is; write one of them"),
    (f'[notify.ops]\n{BOT}url_file = "/x"\n', "2:2: notify.ops: has both `url_env` and `url_file`"),
    (f'[notify.ops]\n{BOT}to = "{TOPIC}"\n', "3:1: notify.ops.form: means nothing beside `to`"),
    (
        '[notify.ops]\nform = "wecom"\nurl_env = "BULK_NOTIFY_A"\nsecret_env = "BULK_NOTIFY_B"',
        "5:1: notify.ops.secret_env: wecom signs nothing; leave it out",
    ),
    (f'[notify.ops]\n{BOT}on = ["persn"]', "5:1: notify.ops.on: ['persn'] is not a list of events"),
    (f"[notify.ops]\n{BOT}on = []", "5:1: notify.ops.on: [] is not a list of events"),
    (f'[notify.ops]\n{BOT}rate = "1/s"', "5:1: notify.ops.rate: unknown key below [notify.ops]"),
    (f"[notify.ops]\n{BOT}colour = 1", "5:1: notify.ops.colour: unknown key; known keys: to, form, url_env"),
    ("[notify]\nops = 3\n", "3:1: notify.ops: is no table; write [notify.ops]"),
    ("notify = 3\n", "2:1: notify: the value is not a table of tables; write [notify.ops]"),
    ('notify = { ops = { form = "json" } }', "2:1: notify.ops: does not say where the URL is"),
    (f'[notify."a b"]\n{BOT}', '1:1: notify.a b: "a b" is not a name'),
    ('[notify.ops]\nform = "slack"', "3:1: notify.ops.form: the value is not one of feishu"),
]  # fmt: skip


@pytest.mark.parametrize(("toml", "words"), BAD)
def test_what_cannot_be_used_is_an_issue_with_its_place(toml: str, words: str) -> None:
    """Line and column, the keys that lead there, what is wrong, what to write."""
    assert any(issue.startswith(f"job.toml:{words}") for issue in issues_of(toml)), issues_of(toml)


@pytest.mark.parametrize("key", ["url", "to", "form", "url_env", "url_file", "secret_env"])
def test_a_url_in_job_toml_is_refused_and_not_shown(key: str) -> None:
    """Wherever it stands: whoever has its path may write to the group."""
    (issue,) = issues_of(f'[notify.ops]\n{"" if key in {"form", "url_env", "to"} else BOT}{key} = "{SECRET}"')
    assert f"notify.ops.{key}: " in issue
    assert "hook" not in issue
    assert "0123456789abcdef" not in issue


def test_a_url_in_place_of_the_tables_is_not_shown() -> None:
    """A beginner's guess."""
    assert "hook" not in str(issues_of(f'notify = "{SECRET}"') + issues_of(f'[notify]\nops = "{SECRET}"'))


def test_the_tables_are_kept_in_a_ledger_as_they_are() -> None:
    """They hold names, no secrets, and the next session reads them from there."""
    job = read(f'[notify.ops]\n{BOT}on = ["end"]\n[notify.cloud]\nto = "{TOPIC}"\n')
    assert isinstance(job, Job)
    kept = settings_json(job)
    assert list(kept["notify"]) == ["ops", "cloud"]
    assert read_settings(Job, kept, flags={}) == job


def test_the_schema_has_the_tables_below_any_name() -> None:
    """An editor completes their keys."""
    schema: dict[str, Any] = job_schema()["properties"]["notify"]
    assert schema["additionalProperties"]["additionalProperties"] is False
    assert list(schema["additionalProperties"]["properties"]) == [
        "to", "form", "url_env", "url_file", "secret_env", "on",
    ]  # fmt: skip


def test_of_a_job_that_cannot_be_used_its_tables_are_known_all_the_same(tmp_path: Path) -> None:
    """Somebody has to hear that the nightly job is invalid."""
    (tmp_path / "job.toml").write_text(
        f'rows = "x.csv"\nname = "n"\nrat = 3\nrate = "x"\n[notify.ops]\n{BOT}'
    )
    job, folder = usable_job(str(tmp_path), {"ticket": "CHG1", "rate": None})
    assert [name for name, _ in job.notify] == ["ops"]
    assert (job.name, job.ticket, folder) == ("n", "CHG1", tmp_path / "runs")


@pytest.mark.parametrize("toml", ["[[[", "notify = 3", '[notify.ops]\nform = "feishu"'])
def test_tables_that_cannot_be_used_notify_nobody(toml: str, tmp_path: Path) -> None:
    """The issues are on the screen."""
    (tmp_path / "job.toml").write_text(toml)
    assert usable_job(str(tmp_path), {})[0].notify == ()
    assert usable_job(str(tmp_path / "absent"), {})[0].notify == ()
