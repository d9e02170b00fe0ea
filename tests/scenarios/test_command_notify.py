"""Who is notified that a run ended, or that a person is needed, and what it costs."""

import base64
import hashlib
import hmac
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, wide
from tests.scenarios.test_command_push_back import BUSY, YEARS_S, asks
from tests.scenarios.test_command_secrets import nowhere
from tests.simulator_caller import PROJECT
from tests.webhooks import Got, carried, outbox_lines, webhook

TOKEN = "0123456789abcdefTOKEN0123456789"
SIGNING = "SECsigning0123456789abcdef"


@pytest.fixture
def bots(monkeypatch: pytest.MonkeyPatch):  # noqa: ANN201 - a function
    """Return what writes tables of a job, and sets their variables."""

    def tables(url: str, *forms: str, on: str = '["person", "end"]', secret: str = "") -> str:
        toml = ""
        for form in forms:
            monkeypatch.setenv(f"BULK_NOTIFY_{form.upper()}", f"{url}/{form}/{TOKEN}?key={TOKEN}")
            monkeypatch.setenv(f"BULK_NOTIFY_{form.upper()}_SECRET", secret)
            toml += f'[notify.{form}]\nform = "{form}"\nurl_env = "BULK_NOTIFY_{form.upper()}"\non = {on}\n'
            toml += f'secret_env = "BULK_NOTIFY_{form.upper()}_SECRET"\n' if secret else ""
        return toml

    return tables


def job_with(stage: Stage, tables: str, rows: str, **settings: Any) -> str:
    """Write a job with tables below its settings."""
    job = stage.job(rows, **settings)
    with (Path(job) / "job.toml").open("a") as file:
        file.write(tables)
    return job


FAILS: dict[str, Any] = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}


def test_everybody_is_notified_once_that_a_run_ended(stage: Stage, bots: Any) -> None:
    """Bots in one line and the next command; one's own webhook gets what `status` says; no secret shows."""
    with webhook() as hook:
        tables = bots(hook.url, "wecom", "json") + bots(hook.url, "feishu", "dingtalk", secret=SIGNING)
        ended = stage.apply(job_with(stage, tables, wide([1, 2]), ticket="CHG0012345"), "-v")
        lines = carried(stage)
    assert ended.code == ExitCode.OK
    assert [line["to"] for line in lines if "to" in line] == ["wecom", "json", "feishu", "dingtalk"]
    got = {each.path.split("/")[1]: each for each in hook.got}
    assert len(hook.got) == len(got) == 4
    line, command = got["wecom"].json["text"]["content"].split("\n")
    assert line.startswith("bulk: job (CHG0012345) on ")
    assert line.endswith(": finished, every row is as asked (exit code 0); 2 applied")
    assert command == f"bulk report {stage.ledger.absolute()}"
    status = stage.status(stage.ledger.absolute())
    assert got["json"].json | {"at": status["at"]} == status
    assert got["json"].headers["X-Bulk-Event"] == "end"
    body = got["feishu"].json
    assert body["content"]["text"] == f"{line}\n{command}"
    key = f"{body['timestamp']}\n{SIGNING}".encode()
    assert base64.b64decode(body["sign"]) == hmac.new(key, b"", hashlib.sha256).digest()
    assert got["dingtalk"].path.startswith(f"/dingtalk/{TOKEN}?key={TOKEN}&timestamp=")
    assert stage.records("note") == []
    for secret in (TOKEN, SIGNING):
        nowhere(secret, stage, ended)


def test_a_refusal_in_a_200_is_on_record_in_the_next_session(stage: Stage, bots: Any) -> None:
    """The exit code stays; what a bot repeats of its own URL and secret is hidden."""

    def refuses(got: Got) -> tuple[int, bytes]:
        return 200, orjson.dumps({"code": 19021, "msg": f"sign match fail: {got.path} {SIGNING}"})

    stage.order(faults={"rules": [FAILS | {"times": 1}]})
    with webhook(refuses) as hook:
        job = job_with(stage, bots(hook.url, "feishu", secret=SIGNING), wide([1, 2]))
        first = stage.apply(job)
        (line,) = [line for line in carried(stage) if "failed" in line]
        assert "19021: sign match fail: /[redacted]?[redacted] [redacted]" in line["failed"]
        second = stage.apply(job, "--new-run")
        carried(stage)
        third = stage.apply(job, "--new-run")
    assert (first.code, second.code) == (ExitCode.SOME_FAILED, ExitCode.OK)
    notes = [record["message"] for record in stage.records("note", stage.ledgers[1])]
    assert len(notes) == 1
    assert notes[0].startswith("feishu was not notified (person,end, ")
    assert len([record for record in stage.records("note") if record["about"] == "notify"]) == 1
    for secret in (TOKEN, SIGNING):
        nowhere(secret, stage, first, second, third)


def test_a_black_hole_keeps_nobody_waiting(stage: Stage, bots: Any) -> None:
    """The command ends while the webhook still has not answered, and that is on record from the beginning."""
    with webhook(is_silent=True) as hook:
        job = job_with(stage, bots(hook.url, "json", on='["start", "end"]'), wide([1]))
        began = time.monotonic()
        ended = stage.apply(job)
        took_s = time.monotonic() - began
        assert ended.code == ExitCode.OK
        assert took_s < 10
        assert [line["about"] for line in outbox_lines(stage)] == ["start", "end"]
        hook.may_answer.set()
        carried(stage)


def test_a_redirect_is_not_followed(stage: Stage, bots: Any) -> None:
    """The URL is a secret: no server hands it on."""
    with webhook(lambda _: (302, b"")) as hook:
        stage.apply(job_with(stage, bots(hook.url, "json"), wide([1])))
        lines = carried(stage)
    assert [line["failed"] for line in lines if "failed" in line] == ["HTTP 302"]
    assert [got.path.split("/")[1] for got in hook.got] == ["json"]


def test_a_person_is_needed_at_the_third_session_that_does_nothing(stage: Stage, bots: Any) -> None:
    """One message over three nights in which nothing can be done; none over three that get on."""
    with webhook() as hook:
        job = job_with(stage, bots(hook.url, "wecom", on='["person"]'), wide([1, 2]))
        plan = str(stage.folder / "plan.ledger.jsonl")
        assert stage.bulk("plan", job, "--out", plan).code == ExitCode.OK
        stage.order(faults=asks(BUSY[0], YEARS_S, method="GET", times=99))
        codes = [stage.apply(plan).code for _ in range(3)]
        carried(stage)
        assert codes == [ExitCode.STOPPED_EARLY] * 3
        (text,) = hook.texts()
        assert "the last 3 sessions have done no row" in text
        assert text.endswith(f"\nbulk apply {plan}")
        stage.order(faults={"rules": []})
        assert stage.apply(plan).code == ExitCode.OK
        carried(stage)
    assert len(hook.got) == 1


@pytest.mark.parametrize(
    ("rows", "settings", "flags", "code", "words", "command"),
    [
        ("service_id,ports\nx,1:1\n", {}, ("--yes",), 3, "is not a UUID", "bulk check "),
        (wide([1]), {"rat": 3}, ("--yes",), 3, "did you mean rate?", "bulk check "),
        (wide([1, 2]), {"max_changes": 1}, ("--yes",), 7, "max_changes", "bulk plan "),
        (wide([1]), {}, (), 2, "nobody can be asked", "bulk apply --help"),
        (wide([1]), {"profile": "absent"}, ("--yes",), 1, "no credentials for profile", "bulk apply "),
        (wide([1]), {"window": "2020-01-01T00:00Z"}, ("--yes",), 10, "", ""),
    ],
)
def test_a_command_that_cannot_do_its_work_needs_a_person(
    rows: str,
    settings: dict[str, Any],
    flags: tuple[str, ...],
    code: int,
    words: str,
    command: str,
    stage: Stage,
    bots: Any,
) -> None:
    """As far as the job can be read that its tables are known; a closed window needs nobody."""
    with webhook() as hook:
        job = job_with(stage, bots(hook.url, "wecom"), rows, **settings)
        assert stage.bulk("apply", job, *flags).code == code
        carried(stage)
        texts = hook.texts()
    if not words:
        assert texts == []
        return
    (text,) = texts
    assert words in text
    assert f"(exit code {code})" in text
    assert text.split("\n")[1].startswith(command)


def test_a_variable_that_is_not_set_is_on_record(
    stage: Stage, bots: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on; the next session has a note."""
    job = job_with(stage, bots("http://127.0.0.1:1", "json"), wide([1]))
    monkeypatch.delenv("BULK_NOTIFY_JSON")
    assert stage.apply(job).code == ExitCode.OK
    (line,) = [line for line in outbox_lines(stage) if "failed" in line]
    assert line["failed"] == "BULK_NOTIFY_JSON is not set; set it to the URL"
    assert stage.apply(job, "--new-run").code == ExitCode.OK
    assert [note["about"] for note in stage.records("note")] == ["notify"]


def test_the_url_may_stand_in_a_file_of_its_owner(stage: Stage) -> None:
    """One that others may write is refused, one that others may read is named with the chmod."""
    with webhook() as hook:
        secret = Path(stage.file("url", f"{hook.url}/x/{TOKEN}\n"))
        secret.chmod(0o644)
        job = job_with(stage, f'[notify.ops]\nform = "json"\nurl_file = "{secret}"\n', wide([1]))
        ended = stage.apply(job)
        carried(stage)
        assert f"others may read the file {secret}: chmod 600" in ended.err
        assert len(hook.got) == 1
        secret.chmod(0o666)
        stage.apply(job, "--new-run")
        lines = carried(stage)
    assert f"others may write to the file {secret}" in lines[-1]["failed"]


def test_a_rehearsal_notifies_nobody(stage: Stage, bots: Any) -> None:
    """It is practice."""
    with webhook() as hook:
        job = job_with(stage, bots(hook.url, "json", on='["start", "end", "person"]'), wide([1]))
        assert stage.bulk("rehearse", job).code == ExitCode.OK
        assert outbox_lines(stage) == []
    assert hook.got == []


def test_another_table_is_taken_while_a_run_is_open(stage: Stage, bots: Any) -> None:
    """Who is notified is no part of what was approved; the change is noted, without a secret."""
    job = stage.job(wide([1]))
    stage.order(faults=asks(BUSY[0], YEARS_S, times=9))
    assert stage.apply(job).code == ExitCode.STOPPED_EARLY
    stage.order(faults={"rules": []})
    with webhook() as hook:
        assert stage.apply(job_with(stage, bots(hook.url, "json"), wide([1]))).code == ExitCode.OK
        carried(stage)
    assert len(hook.got) == 1
    assert "notify: json (json: person,end), was not set" in [
        note["message"] for note in stage.records("note")
    ]


# A test message, and SMN


def test_check_sends_a_test_message_to_each_and_says_what_came_back(stage: Stage, bots: Any) -> None:
    """The exit code is 1 where one was not taken; the rows are checked as ever."""

    def answers(got: Got) -> tuple[int, bytes]:
        return 200, b'{"errcode":0}' if "wecom" in got.path else b'{"code":19024,"msg":"Key Words Not Found"}'

    with webhook(answers) as hook:
        job = job_with(stage, bots(hook.url, "wecom", "feishu"), wide([1]))
        table = stage.bulk("check", job, "--notify")
        as_json = stage.bulk("check", job, "--notify", "--output", "json")
    assert table.code == as_json.code == ExitCode.CANNOT_RUN
    assert "wecom: taken\n" in table.out
    assert "feishu: HTTP 200, code 19024: Key Words Not Found\n" in table.out
    assert [each["taken"] for each in orjson.loads(as_json.out)["notify"]] == [True, False]
    assert f": a test message\nbulk check {stage.folder} --notify" in hook.texts()[0]
    assert outbox_lines(stage) == []


def test_check_says_what_keeps_a_message_here(
    stage: Stage, bots: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is not set, an address that cannot be one; nobody to notify is wrong usage."""
    job = job_with(stage, bots("http://127.0.0.1:1", "json", "wecom", "feishu"), wide([1]))
    monkeypatch.setenv("BULK_NOTIFY_JSON", f"ftp://x/{TOKEN}")
    monkeypatch.setenv("BULK_NOTIFY_FEISHU", f"http://example.com/{TOKEN}")
    monkeypatch.delenv("BULK_NOTIFY_WECOM")
    ended = stage.bulk("check", job, "--notify")
    assert ended.code == ExitCode.CANNOT_RUN
    assert "json: BULK_NOTIFY_JSON holds no usable URL" in ended.out
    assert "wecom: BULK_NOTIFY_WECOM is not set" in ended.out
    assert "feishu: endpoint 'http://example.com' is plain http to another machine" in ended.out
    nowhere(TOKEN, stage, ended)
    assert stage.bulk("check", stage.job(wide([1])), "--notify").code == ExitCode.USAGE


def topic(project: str = PROJECT) -> str:
    """Return a table that notifies a topic."""
    return f'[notify.cloud]\nto = "smn:urn:smn:cn-north-4:{project}:bulk-ops"\n'


def published(stage: Stage) -> list[dict[str, Any]]:
    """Return what the simulator was given to publish."""
    return stage.aside.do(lambda simulator: list(simulator.world.published))


def test_a_topic_of_smn_gets_a_signed_message(stage: Stage) -> None:
    """With the credentials at hand: the subject is the line, the message has the command as well."""
    ended = stage.apply(job_with(stage, topic(), wide([1])))
    assert ended.code == ExitCode.OK
    carried(stage)
    (message,) = published(stage)
    assert message["topic_urn"] == f"urn:smn:cn-north-4:{PROJECT}:bulk-ops"
    assert message["message"] == f"{message['subject']}\nbulk report {stage.ledger.absolute()}"
    nowhere(stage.aside.simulator.identity.sk, stage, ended)


def test_a_password_gets_a_token_for_the_topic(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which IAM is asked for while the run begins; also where no run begins at all."""
    identity = stage.aside.simulator.identity
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
        monkeypatch.delenv(name)
    for name, value in {"NAME": identity.user, "PASSWORD": identity.password}.items():
        monkeypatch.setenv(f"HW_USER_{name}", value)
    monkeypatch.setenv("HW_DOMAIN_NAME", identity.domain)
    job = job_with(stage, topic(), wide([1]))
    ended = [
        stage.apply(job),
        stage.bulk("check", job, "--notify"),
        stage.apply(job, "--max-changes", "0", "--new-run"),
    ]
    carried(stage)
    assert [each.code for each in ended] == [ExitCode.OK] * 3
    assert len(published(stage)) == 3
    failed = stage.bulk("apply", job_with(stage, topic(), "service_id,ports\nx,1:1\n"), "--yes")
    assert failed.code == ExitCode.INVALID
    carried(stage)
    assert "is not a UUID" in published(stage)[-1]["message"]
    nowhere(identity.password, stage, *ended, failed)


def test_what_smn_refuses_is_said(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic that is not there, a key that is wrong."""
    job = job_with(stage, topic("0" * 32), wide([1]))
    ended = stage.bulk("check", job, "--notify")
    assert ended.code == ExitCode.CANNOT_RUN
    assert "cloud: HTTP 404 SMN.0404: The topic does not exist." in ended.out
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "another-secret-another-secret")
    assert "APIGW.0301" in stage.bulk("check", job, "--notify").out


def test_the_bundled_simulator_has_ended_before_a_message_could_leave(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is said, and no address is guessed."""
    monkeypatch.delenv("BULK_ENDPOINT")
    job = job_with(stage, topic(), wide([1]), endpoint="simulator")
    ended = stage.bulk("check", job, "--notify")
    assert "cloud: the bundled simulator has no SMN" in ended.out


def test_what_this_machine_lacks_is_named_as_the_job_is_checked_planned_and_begun(
    stage: Stage, bots: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when the first message is due, at night; what is there is not named."""
    job = job_with(stage, bots("http://127.0.0.1:9", "wecom", "json", on='["person"]'), wide([1]))
    for variable in ("BULK_NOTIFY_WECOM", "BULK_NOTIFY_WECOM_SECRET", "BULK_NOTIFY_JSON_SECRET"):
        monkeypatch.delenv(variable)
    for verb in ("check", "plan"):
        seen = stage.bulk(verb, job)
        assert "wecom would not be notified from here: BULK_NOTIFY_WECOM is not set" in seen.err
        assert (seen.code, "json" in seen.err) == (ExitCode.OK, False)
    begun = stage.apply(job)
    assert (begun.code, "BULK_NOTIFY_WECOM is not set" in begun.err) == (ExitCode.OK, True)
