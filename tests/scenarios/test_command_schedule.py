"""`bulk schedule`: the files are right for this machine, hold no credentials, and install nothing."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, wide

SYSTEMD = shutil.which("systemd-analyze") or ""
needs_systemd = pytest.mark.skipif(not SYSTEMD, reason="systemd-analyze is not installed")
KINDS = ("systemd", "kubernetes", "cron")
WINDOW = "Sat#3,Sun 01:00-05:00 Asia/Shanghai"


def written(stage: Stage, kind: str, job: str, *more: str) -> dict[str, str]:
    """Return the files that are written for a job, by name."""
    out = stage.folder / "out" / kind
    ended = stage.bulk("schedule", job, "--for", kind, "--out", str(out), *more)
    assert ended.code == ExitCode.OK, ended.err
    return {path.name: path.read_text() for path in sorted(out.iterdir())}


@needs_systemd
@pytest.mark.parametrize("name", ["plain", "a b", "50%", "$HOME", "quo'te\"d", "back\\slash", "näme"])
def test_systemd_takes_the_units_of_a_job_in_any_folder(name: str, stage: Stage) -> None:
    """As `systemd-analyze verify` says; the command has its words back as they were."""
    folder = stage.folder / name
    folder.mkdir()
    (folder / "job.toml").write_text(f'rows = "s.csv"\nname = "night.ly"\nwindow = "{WINDOW}"\n')
    files = written(stage, "systemd", str(folder))
    service, failed, timer = sorted(files, key=lambda each: (each.endswith(".timer"), "failed" in each))
    paths = [stage.folder / "out" / "systemd" / each for each in (service, failed, timer)]
    said = subprocess.run([SYSTEMD, "verify", *paths], capture_output=True, text=True, check=False)
    assert (said.returncode, "bulk" in said.stdout + said.stderr) == (0, False), said
    [command] = [
        line.partition("=")[2] for line in files[service].splitlines() if line.startswith("ExecStart=")
    ]
    words = shlex.split(command.replace("%%", "%").replace("$$", "$"))
    assert words[1:3] == ["apply", str(folder)]
    assert words[-3:] == ["--yes", "--quiet", "--wait"]
    assert os.access(words[0], os.X_OK)


@pytest.mark.parametrize("kind", KINDS)
def test_no_credentials_are_in_the_files_and_every_path_is_absolute(kind: str, stage: Stage) -> None:
    """What is given as a flag or a variable is, since whoever runs them has not this environment."""
    job = stage.job(wide([1]), window="02:00-04:00 UTC", max_failures="5%")
    files = written(stage, kind, job, "--ticket", "CHG 1", "--strict")
    text = "".join(files.values())
    for secret in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
        assert os.environ[secret] not in text
    assert stage.folder.is_absolute()
    assert str(stage.folder) in text
    for flag in ("--endpoint", "--region", "--project-id", "--ticket", "CHG 1", "--strict", "--rate"):
        assert flag in text
    assert "--yes: nobody is asked" in text
    assert "guards that this job lacks: max_changes, max_removed, max_consumers, waves" in text
    assert not any(path.suffix == ".jsonl" for path in stage.folder.rglob("*"))


def test_without_a_folder_they_are_printed_and_nothing_is_written(stage: Stage) -> None:
    """Each below its name; what a person has to know stands on stderr as well."""
    job = stage.job(wide([1]), window="02:00-04:00 UTC")
    before = sorted(stage.folder.rglob("*"))
    ended = stage.bulk("schedule", job, "--for", "cron")
    assert "# --- bulk-job.sh\n#!/bin/sh\n" in ended.out
    assert "55 1 * * * " in ended.out
    assert "--yes: nobody is asked" in ended.err
    assert sorted(stage.folder.rglob("*")) == before


def test_files_that_are_there_are_never_overwritten(stage: Stage) -> None:
    """Somebody may have edited them; the script of cron can be started."""
    job = stage.job(wide([1]), window="02:00-04:00 UTC")
    written(stage, "cron", job)
    assert os.access(stage.folder / "out" / "cron" / "bulk-job.sh", os.X_OK)
    ended = stage.bulk("schedule", job, "--for", "cron", "--out", str(stage.folder / "out" / "cron"))
    assert ended.code == ExitCode.USAGE


def test_the_script_of_cron_runs_the_job(stage: Stage) -> None:
    """As it stands: it applies in an open window, and has nothing to mail."""
    job = stage.job(wide([1, 2]), window="00:00-24:00 UTC", spare="1s")
    written(stage, "cron", job)
    ended = subprocess.run(
        [stage.folder / "out" / "cron" / "bulk-job.sh"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert len(stage.applied) == 2
    assert stage.bulk("status", job, "--check").code == ExitCode.OK


def test_a_window_that_a_scheduler_cannot_say_is_started_without_waiting(stage: Stage) -> None:
    """A start on a day on which it is closed must end at once, and not wait for weeks."""
    job = stage.job(wide([1]), window="Sat#3 01:00-05:00 Asia/Shanghai")
    for kind, waits in (("systemd", True), ("kubernetes", False), ("cron", False)):
        ended = stage.bulk("schedule", job, "--for", kind)
        assert ("--wait" in ended.out) is waits, kind
        assert ("cannot say exactly when the window" in ended.err) is not waits
    blackout = stage.job(wide([1]), window="01:00-05:00", blackout="2030-01-01")
    assert "--wait" not in stage.bulk("schedule", blackout, "--for", "systemd").out


def test_local_time_is_that_of_tz(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is started by a scheduler does not have the variable."""
    job = stage.job(wide([1]), window="02:00-04:00")
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    systemd = stage.bulk("schedule", job, "--for", "systemd").out
    assert "OnCalendar=*-*-* 01:55:00 Asia/Shanghai\n" in systemd
    assert 'Environment="TZ=Asia/Shanghai"\n' in systemd
    assert 'timeZone: "Asia/Shanghai"' in stage.bulk("schedule", job, "--for", "kubernetes").out
    assert "TZ=Asia/Shanghai\n" in stage.bulk("schedule", job, "--for", "cron").out
    monkeypatch.setenv("TZ", "CST-8")
    for kind in KINDS:
        ended = stage.bulk("schedule", job, "--for", kind)
        assert ended.code == ExitCode.USAGE
        assert "name the zone in the window" in ended.err


def test_without_a_name_for_its_zone_the_machine_has_to_be_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A cluster knows zones by name; systemd and cron of this machine have it themselves."""
    monkeypatch.delenv("TZ", raising=False)
    zone = tmp_path / "localtime"
    monkeypatch.setattr("bulk.app.scheduling._LOCALTIME", zone)
    job = stage.job(wide([1]), window="02:00-04:00")
    assert 'timeZone: "UTC"' in stage.bulk("schedule", job, "--for", "kubernetes").out
    zone.write_bytes(b"")
    assert stage.bulk("schedule", job, "--for", "kubernetes").code == ExitCode.USAGE
    assert "OnCalendar=*-*-* 01:55:00\n" in stage.bulk("schedule", job, "--for", "systemd").out
    assert "--wait" in stage.bulk("schedule", job, "--for", "cron").out
    monkeypatch.setattr("bulk.app.scheduling._LOCALTIME", Path("/usr/share/zoneinfo/Asia/Shanghai"))
    assert 'timeZone: "Asia/Shanghai"' in stage.bulk("schedule", job, "--for", "kubernetes").out


@pytest.mark.parametrize(
    ("argument", "settings", "said"),
    [
        ("", {}, "has no window that opens"),
        ("", {"window": "2030-01-01T00:00Z"}, "has no window that opens"),
        ("-", {"window": "02:00-04:00"}, "is no job that can be run again and again"),
    ],
)
def test_what_no_scheduler_can_run_is_refused(
    argument: str, settings: dict[str, str], said: str, stage: Stage
) -> None:
    """With what to write instead."""
    ended = stage.bulk("schedule", argument or stage.job(wide([1]), **settings), "--for", "systemd")
    assert ended.code == ExitCode.USAGE
    assert said in ended.err


def test_a_job_whose_runs_would_all_be_refused_is_not_scheduled(stage: Stage) -> None:
    """Its blackout leaves nothing of its window, as plan and apply say; with its place."""
    job = stage.job(wide([1]), window="Sat 01:00-05:00", blackout="2026-01-01..2126-01-01")
    ended = stage.bulk("schedule", job, "--for", "cron")
    assert (ended.code, ended.out) == (ExitCode.INVALID, "")
    assert "job.toml:5:1: blackout: it leaves nothing of the window" in ended.err


def test_a_scheduler_has_to_be_named(stage: Stage) -> None:
    """There is none that everybody has."""
    ended = stage.bulk("schedule", stage.job(wide([1]), window="02:00-04:00"))
    assert (ended.code, "--for is missing" in ended.err) == (ExitCode.USAGE, True)


def test_a_path_that_no_file_of_a_scheduler_can_hold_is_refused(stage: Stage) -> None:
    """A line end, and for a volume a colon."""
    for name, kind in (("a\nb", "systemd"), ("a\nb", "cron"), ("a:b", "kubernetes")):
        folder = stage.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "job.toml").write_text('rows = "s.csv"\nwindow = "02:00-04:00"\n')
        ended = stage.bulk("schedule", str(folder), "--for", kind)
        assert ended.code == ExitCode.USAGE
        assert "rename the" in ended.err


def test_a_folder_for_the_script_whose_name_would_be_a_command_of_it_is_refused(stage: Stage) -> None:
    """The script names itself in its head, and the crontab names it."""
    job = stage.job(wide([1]), window="02:00-04:00")
    ended = stage.bulk("schedule", job, "--for", "cron", "--out", str(stage.folder / "a\ntouch planted"))
    assert (ended.code, "rename the" in ended.err) == (ExitCode.USAGE, True)


def test_a_pod_is_to_have_the_files_that_are_not_in_the_folder_of_the_job(stage: Stage) -> None:
    """Each is named; a unit and a crontab are of this machine, and need nothing."""
    job = stage.job(wide([1]), window="02:00-04:00 UTC", metrics="/var/lib/node_exporter/bulk.prom")
    with (stage.folder / "job.toml").open("a") as file:
        file.write('[notify.ops]\nform = "json"\nurl_file = "~/ops.url"\n')
    said = {kind: stage.bulk("schedule", job, "--for", kind).err for kind in KINDS}
    for named in ("/var/lib/node_exporter/bulk.prom", "~/ops.url"):
        assert f'{named}" is not in the folder of the job: mount it as well' in said["kubernetes"]
    assert said["kubernetes"].count("mount it") == 2
    assert "mount it" not in said["systemd"] + said["cron"]


def test_a_window_that_is_all_spare_is_refused_here_already(stage: Stage) -> None:
    """No night would ever send anything."""
    job = stage.job(wide([1]), window="02:00-02:01")
    assert stage.bulk("schedule", job, "--for", "cron").code == ExitCode.INVALID


def test_a_host_that_only_the_job_names_is_named_by_the_command(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever installs the file has read it there; else each night would be refused."""
    monkeypatch.delenv("BULK_ENDPOINT")
    job = stage.job(wide([1]), window="02:00-04:00 UTC", endpoint="https://vpcep.example.com", strict=True)
    assert '"--endpoint" "https://vpcep.example.com"' in stage.bulk("schedule", job, "--for", "systemd").out
    simulator = stage.job(wide([1]), window="02:00-04:00 UTC", endpoint="simulator", canary=1)
    ended = stage.bulk("schedule", simulator, "--for", "systemd", "--no-strict")
    assert "--endpoint" not in ended.out
    assert '"--no-strict"' in ended.out
    assert "nothing real is changed" in ended.err
    assert "waves" not in ended.err


def test_a_job_whose_guards_are_all_there_lacks_none(stage: Stage) -> None:
    """Then nothing is said of them."""
    guards = {
        "max_failures": 1,
        "max_changes": 9,
        "max_removed": 9,
        "max_consumers": 9,
        "strict": True,
        "canary": 1,
    }
    ended = stage.bulk("schedule", stage.job(wide([1]), window="02:00-04:00 UTC", **guards), "--for", "cron")
    assert "lacks" not in ended.said


def test_who_is_notified_needs_variables_and_not_their_values(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are named; without anybody that is said."""
    job = stage.job(wide([1]), window="02:00-04:00 UTC")
    assert "nobody is notified" in stage.bulk("schedule", job, "--for", "systemd").err
    with (stage.folder / "job.toml").open("a") as file:
        file.write('[notify.ops]\nform = "feishu"\nurl_env = "BULK_NOTIFY_OPS"\n')
    monkeypatch.setenv("BULK_NOTIFY_OPS", "https://open.feishu.cn/hook/secret-part")
    ended = stage.bulk("schedule", job, "--for", "systemd")
    assert "EnvironmentFile=/etc/bulk/bulk-job.env\n" in ended.out
    assert "BULK_NOTIFY_OPS" in ended.err
    assert "nobody is notified" not in ended.err
    assert "secret-part" not in ended.said


def test_jobs_of_any_name_have_units_of_their_own(stage: Stage) -> None:
    """Names that differ in what a unit cannot have are told apart by a part of a hash."""
    names = []
    for name in ("night.ly", "night-ly", "NIGHT-LY", "夜间"):
        ended = stage.bulk(
            "schedule", stage.job(wide([1]), name=name, window="02:00-04:00 UTC"), "--for", "kubernetes"
        )
        names.append(ended.out.splitlines()[0])
    assert len(set(names)) == len(names)
    assert "# --- bulk-night-ly.yaml" in names
    assert all(each.isascii() for each in names)


def test_a_job_whose_requests_go_to_workers_is_to_have_the_credentials_of_nats(stage: Stage) -> None:
    """Their file is named by a variable, as at a terminal; those of the cloud are elsewhere."""
    stage.file("job/services.csv", wide([1]))
    stage.file("job/job.toml", 'rows = "services.csv"\nwindow = "02:00-04:00 UTC"\n')
    for kind in KINDS:
        for via, has_file in (("tls://nats.example.com:4222", True), ("local", False)):
            ended = stage.bulk("schedule", str(stage.folder / "job"), "--for", kind, "--via", via)
            assert ended.code == ExitCode.OK, ended.err
            assert ("names a file, which the job must be able to read" in ended.err) is has_file
            assert ("BULK_NATS_CREDENTIALS" in ended.out) is has_file
            assert via in ended.out
