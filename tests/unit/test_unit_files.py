"""The files for systemd, cron and Kubernetes: quoting, and what exit codes mean there."""

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulk.errors import ExitCode
from bulk.operations.triggers import Trigger
from bulk.operations.unit_files import (
    AGAIN,
    AGAIN_S,
    ASKED,
    NO_FAILURE,
    PERSON,
    TRIES,
    ScheduledJob,
    Scheduler,
    files_for,
    for_crontab,
    for_kubernetes,
    for_systemd,
)

kubernetes_validate = pytest.importorskip("kubernetes_validate")
yaml = pytest.importorskip("yaml")

JOB = ScheduledJob(
    unit="bulk-night",
    name="night",
    command=("/opt/bulk", "apply", "/srv/jobs/night", "--yes", "--quiet", "--wait"),
    status=("/opt/bulk", "status", "/srv/jobs/night"),
    folder="/srv/jobs/night",
    script="/srv/jobs/night/bulk-night.sh",
    user="ops",
    image="vpcep-bulk:0.2.0",
    window="02:00-04:00",
    window_s=7200.0,
    drain_s=20.0,
    triggers=(Trigger("55 1 * * *", "Asia/Shanghai"),),
)
WEIRD = "/srv/a b%n$X'\"\\é$(HOME)"


def texts(scheduler: Scheduler, job: ScheduledJob = JOB) -> dict[str, str]:
    """Return the files for a scheduler by name."""
    return {file.name: file.text for file in files_for(scheduler, job)}


def cron_jobs(job: ScheduledJob = JOB) -> list[dict[str, Any]]:
    """Return the CronJobs of a job."""
    documents = yaml.safe_load_all(texts(Scheduler.KUBERNETES, job)["bulk-night.yaml"])
    return [each for each in documents if each["kind"] == "CronJob"]


def test_every_exit_code_has_one_meaning_for_a_scheduler() -> None:
    """0 is success; 6 is never tried again."""
    every = [ExitCode.OK, *NO_FAILURE, *ASKED, *AGAIN, *PERSON]
    assert sorted(every) == sorted(ExitCode)
    assert {*PERSON} == {1, 2, 3, 4, 6, 7}
    assert {*AGAIN} == {5, 11}


def test_a_unit_of_systemd_tries_again_only_what_the_same_command_continues() -> None:
    """What a person has to see starts the unit beside it, and a run is given the time to drain."""
    service = texts(Scheduler.SYSTEMD)["bulk-night.service"]
    lines = service.splitlines()
    for line in (
        "Type=oneshot",
        "User=ops",
        "OnFailure=bulk-night-failed.service",
        "SuccessExitStatus=8 10 130 143",
        "Restart=on-failure",
        "RestartPreventExitStatus=1 2 3 4 6 7",
        "TimeoutStopSec=30",
        "LoadCredential=huaweicloud:/etc/bulk/bulk-night.credentials",
        "Environment=HUAWEICLOUD_SDK_CREDENTIALS_FILE=%d/huaweicloud",
    ):
        assert line in lines
    assert "TZ=" not in service
    assert "RestartForceExitStatus" not in service
    assert (
        'Environment="TZ=Asia/Shanghai"'
        in texts(Scheduler.SYSTEMD, replace(JOB, tz="Asia/Shanghai"))["bulk-night.service"]
    )
    assert "OnCalendar=55 1 * * *\n" in texts(Scheduler.SYSTEMD)["bulk-night.timer"]
    assert "TimeoutStopSec=31" in texts(Scheduler.SYSTEMD, replace(JOB, drain_s=20.001))["bulk-night.service"]


def test_words_are_quoted_as_their_reader_takes_them() -> None:
    """Blanks, specifiers, variables, quotes and backslashes reach the command as they are."""
    assert for_systemd('a b%n$X"\\') == '"a b%%n$$X\\"\\\\"'
    assert for_crontab("/a b%c") == "'/a b\\%c'"
    assert for_kubernetes('$(HOME) $X"') == '"$$(HOME) $$X\\""'
    weird = replace(JOB, command=(*JOB.command[:2], WEIRD), folder=WEIRD)
    script = texts(Scheduler.CRON, weird)["bulk-night.sh"]
    [line] = [line for line in script.splitlines() if line.endswith(" &")]
    assert shlex.split(line[:-1]) == list(weird.command)
    container = cron_jobs(weird)[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert [word.replace("$$", "$") for word in container["args"][2:]] == list(weird.command)
    assert container["volumeMounts"] == [{"name": "job", "mountPath": WEIRD}]


@pytest.mark.parametrize("version", ["1.30", "1.31", kubernetes_validate.latest_version()])
def test_a_cron_job_is_as_the_api_of_kubernetes_describes_it(version: str) -> None:
    """By its published schemas, also with several openings and a zone."""
    job = replace(JOB, tz="UTC", triggers=(*JOB.triggers, Trigger("0 3 * * 6", "UTC")))
    for document in yaml.safe_load_all(texts(Scheduler.KUBERNETES, job)["bulk-night.yaml"]):
        kubernetes_validate.validate(document, version, strict=True)
    first, second = cron_jobs(job)
    assert [each["metadata"]["name"] for each in (first, second)] == ["bulk-night", "bulk-night-2"]
    assert (first["spec"]["schedule"], first["spec"]["timeZone"]) == ("55 1 * * *", "Asia/Shanghai")


def test_a_cron_job_never_runs_twice_and_fails_only_where_a_person_is_needed() -> None:
    """A pod that is evicted is another one; no link to services, no token, no credentials."""
    [cron_job] = cron_jobs()
    job = cron_job["spec"]["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    assert cron_job["spec"]["concurrencyPolicy"] == "Forbid"
    assert (pod["restartPolicy"], pod["enableServiceLinks"], pod["automountServiceAccountToken"]) == (
        "Never",
        False,
        False,
    )
    assert pod["terminationGracePeriodSeconds"] == 30
    ignored, failed = job["podFailurePolicy"]["rules"]
    assert (ignored["action"], ignored["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert failed["onExitCodes"] == {"containerName": "bulk", "operator": "In", "values": [1, 2, 3, 4, 6, 7]}
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "bulk-night"}}]
    [zone] = [
        each
        for each in cron_jobs(replace(JOB, tz="Asia/Shanghai"))[0]["spec"]["jobTemplate"]["spec"]["template"][
            "spec"
        ]["containers"][0]["env"]
        if each["name"] == "TZ"
    ]
    assert zone["value"] == "Asia/Shanghai"


# What the shell does with the exit codes


def shell(folder: Path, script: str, codes: list[int], *, of_pod: bool = False) -> tuple[int, int, str]:
    """Return exit code, starts and output of a script whose command ends with these codes in turn."""
    counter, fake = folder / "starts", folder / "fake"
    fake.write_text(
        f"#!/bin/sh\n[ \"$1\" = status ] && echo 'the state of the run' && exit 0\n"
        f"echo x >> {counter}\nset -- {' '.join(map(str, codes))}\n"
        f'shift $(($(wc -l < {counter}) - 1))\nexit "$1"\n'
    )
    fake.chmod(0o700)
    text = script.replace("/opt/bulk", str(fake)).replace(f"sleep {AGAIN_S}", "sleep 0")
    words = ["-c", text, "sh", str(fake), "apply"] if of_pod else ["-c", text]
    ended = subprocess.run(["/bin/sh", *words], capture_output=True, text=True, check=False, timeout=30)
    assert ended.stderr == ""
    return ended.returncode, len(counter.read_text().splitlines()), ended.stdout


@pytest.mark.parametrize(
    ("codes", "expected", "starts"),
    [
        ([0], 0, 1),
        ([8], 0, 1),
        ([10], 0, 1),
        ([143], 0, 1),
        ([5, 11, 0], 0, 3),
        ([5, 6, 0], 6, 2),
        ([5] * (TRIES + 1), 5, TRIES),
        *(([int(code)], int(code), 1) for code in PERSON),
    ],
)
def test_the_script_of_cron_goes_on_or_says_that_a_person_is_needed(
    codes: list[int], expected: int, starts: int, tmp_path: Path
) -> None:
    """Cron mails what is printed, so that all that went well prints nothing."""
    code, count, said = shell(tmp_path, texts(Scheduler.CRON)["bulk-night.sh"], codes)
    assert (code, count) == (expected, starts)
    assert said == ("the state of the run\n" if expected else "")


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (8, 0), (10, 0), (5, 5), (6, 6), (143, 143)])
def test_a_pod_ends_well_where_nothing_is_left_to_do_now(code: int, expected: int, tmp_path: Path) -> None:
    """Kubernetes takes every code but 0 for a failure, so that those that are none are turned into it."""
    [script, *_] = cron_jobs()[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert shell(tmp_path, script, [code], of_pod=True)[:2] == (expected, 1)


@pytest.mark.parametrize("where", ["pod", "cron"])
def test_a_signal_reaches_the_command_which_is_waited_for(where: str, tmp_path: Path) -> None:
    """The shell is what a cluster, or a person, sends TERM to; the command drains before it ends."""
    fake, ready = tmp_path / "fake", tmp_path / "ready"
    fake.write_text(
        f"#!/bin/sh\ntrap 'echo drained; exit 143' TERM\ntouch {ready}\nwhile :; do sleep 0.05; done\n"
    )
    fake.chmod(0o700)
    of_pod = where == "pod"
    if of_pod:
        [script, *_] = cron_jobs()[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0][
            "args"
        ]
    else:
        script = texts(Scheduler.CRON)["bulk-night.sh"].replace("/opt/bulk", str(fake))
    words = ["/bin/sh", "-c", script, *(["sh", str(fake)] if of_pod else [])]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            while not ready.exists():
                assert process.poll() is None
            process.terminate()
            said, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (said, process.returncode) == ("drained\n", 143 if of_pod else 0)


def test_a_crontab_has_a_line_for_each_time() -> None:
    """Which names the script, and says in which zone it is meant."""
    job = replace(JOB, local="Europe/Berlin", triggers=(Trigger("0 2 * * *"), Trigger("0 3 * * 0")))
    text = texts(Scheduler.CRON, job)["bulk-night.crontab"]
    assert text.splitlines()[1:] == [
        "0 2 * * * /srv/jobs/night/bulk-night.sh",
        "0 3 * * 0 /srv/jobs/night/bulk-night.sh",
    ]
    assert "(Europe/Berlin)" in text
    zoned = texts(Scheduler.CRON, replace(JOB, tz="Asia/Shanghai"))["bulk-night.sh"]
    assert "TZ=Asia/Shanghai\nexport TZ\n" in zoned
    assert [file.is_program for file in files_for(Scheduler.CRON, JOB)] == [True, False]


def test_whatever_starts_the_job_has_a_place_for_its_secret_variables() -> None:
    """A file of systemd, a Secret, lines of the user's own crontab; elsewhere nobody would be notified."""
    job = replace(JOB, variables=("BULK_NOTIFY_A", "BULK_NOTIFY_B"))
    named = "a line NAME=VALUE for BULK_NOTIFY_A, BULK_NOTIFY_B"
    assert named in texts(Scheduler.SYSTEMD, job)["bulk-night.service"]
    crontab = texts(Scheduler.CRON, job)["bulk-night.crontab"].splitlines()
    assert [named in line for line in crontab] == [False, True, False]
    assert "envFrom" in texts(Scheduler.KUBERNETES, job)["bulk-night.yaml"]
    assert "NAME=VALUE" not in "".join(texts(Scheduler.CRON).values())


def test_what_a_person_has_to_know_stands_in_the_files() -> None:
    """Whoever finds them later reads it there."""
    job = replace(JOB, notes=("nobody is asked", "no guard"))
    for scheduler in Scheduler:
        assert "# nobody is asked\n# no guard\n" in "".join(texts(scheduler, job).values())
