"""Where credentials may go: to hosts that are known or that a person named, and to nobody else's guess."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Ended, Stage, Typed, wide
from tests.simulator_caller import PROJECT, service_id

HOST = "vpcep.cn-north-4.example.com"
URL = f"https://{HOST}"
KNOWN = "vpcep.cn-north-4.myhuaweicloud.com"


class Gate:
    """A proxy through which everything would leave, and nothing does; it notes where to."""

    def __init__(self, url: str, asked: list[str]) -> None:
        self.url = url
        self._asked = asked

    def asked(self) -> set[str]:
        """Return the hosts that were asked for since the last look."""
        hosts = {host.removesuffix(":443") for host in self._asked}
        self._asked.clear()
        return hosts


@contextmanager
def gate() -> Iterator[Gate]:
    """Run the proxy."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Gate(f"http://127.0.0.1:{server.server_port}", asked)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> Iterator[Gate]:
    """Return the only way out, and nothing that names an address."""
    for name in ("BULK_ENDPOINT", "HUAWEICLOUD_SDK_IAM_ENDPOINT"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("BULK_PROJECT_ID", "f" * 32)
    stage.job(wide([1]), endpoint=URL)
    with gate() as found:
        monkeypatch.setenv("HTTPS_PROXY", found.url)
        yield found


VERBS = [("plan", "."), ("apply", ".", "--yes"), ("apply", ".", "-n"), ("rehearse", ".")]


def refused(ended: Ended, gate: Gate) -> str:
    """Check that a command was refused before anything left; give the command that it says."""
    assert ended.code == ExitCode.REFUSED, ended.said
    assert f"{HOST} would get the credentials" in ended.err
    assert gate.asked() == set()
    return ended.err.strip().splitlines()[-1].partition("if that is right: bulk ")[2]


@pytest.mark.parametrize("argv", VERBS, ids=" ".join)
def test_an_address_in_a_job_file_alone_gets_no_credentials(
    stage: Stage, out: Gate, argv: tuple[str, ...]
) -> None:
    """Exit code 7, with the very command; that command goes there."""
    command = refused(stage.bulk(*argv), out)
    assert shlex.split(command) == [*argv, "--endpoint", URL]
    assert stage.bulk(*shlex.split(command)).code == ExitCode.CANNOT_RUN
    assert out.asked() == {HOST}


@pytest.mark.parametrize("name", ["BULK_ENDPOINT", "HUAWEICLOUD_SDK_REGION_VPCEP_CN_NORTH_4"])
def test_a_variable_of_the_same_address_is_enough(
    stage: Stage, out: Gate, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is the person's own word; one of another address is none."""
    monkeypatch.setenv(name, URL.upper().replace("HTTPS", "https") + "/")
    assert stage.bulk("plan", ".").code == ExitCode.CANNOT_RUN
    assert out.asked() == {HOST}
    if name != "BULK_ENDPOINT":  # which would be the address itself
        monkeypatch.setenv(name, f"https://{KNOWN}")
        refused(stage.bulk("plan", "."), out)


def test_the_credentials_file_may_name_the_address_of_its_keys(
    stage: Stage, out: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is also where they go without any other address; another section names it for itself only."""
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
        monkeypatch.delenv(name)
    keys = f"[basic]\nak = A\nsk = S\n[night]\nak = A\nsk = S\nendpoint = {URL}\n"
    path = stage.folder.parent / "keys"
    path.write_text(keys)
    path.chmod(0o600)
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(path))
    refused(stage.bulk("plan", "."), out)
    assert stage.bulk("plan", ".", "--profile", "night").code == ExitCode.CANNOT_RUN
    assert out.asked() == {HOST}
    stage.job(wide([1]))
    assert stage.bulk("plan", ".", "--profile", "night").code == ExitCode.CANNOT_RUN
    assert out.asked() == {HOST}


@pytest.mark.parametrize(
    ("typed", "goes"), [(f"{HOST}\n", True), ("yes\n", False), ("\n", False), (f"{KNOWN}\n", False)]
)
def test_at_a_terminal_the_hosts_name_can_be_typed(
    stage: Stage, out: Gate, monkeypatch: pytest.MonkeyPatch, typed: str, *, goes: bool
) -> None:
    """Only its name goes ahead; where there is no terminal, or with --yes, nobody is asked."""
    monkeypatch.setattr(sys, "stdin", Typed(typed))
    ended = stage.bulk("plan", ".")
    assert "Type its name to go on: " in ended.err
    if goes:
        assert (ended.code, out.asked()) == (ExitCode.CANNOT_RUN, {HOST})
    else:
        refused(ended, out)
    monkeypatch.setattr(sys, "stdin", Typed(typed))
    ended = stage.bulk("apply", ".", "--yes")
    refused(ended, out)
    assert "Type its name" not in ended.err


def test_a_host_of_the_table_and_this_machine_need_no_word(
    stage: Stage, out: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a job file names them."""
    stage.job(wide([1]), endpoint=f"https://{KNOWN}")
    assert stage.bulk("plan", ".").code == ExitCode.CANNOT_RUN
    assert out.asked() == {KNOWN}
    monkeypatch.setenv("BULK_PROJECT_ID", PROJECT)
    stage.job(wide([1]), endpoint=stage.aside.simulator.url)
    assert stage.bulk("plan", ".").code == ExitCode.OK
    assert out.asked() == set()


@pytest.mark.usefixtures("out")
def test_a_saved_plan_is_no_word_for_its_address_and_what_is_printed_names_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger may come from anywhere; each command that is to be repeated is complete."""
    here = stage.aside.simulator.url.replace("127.0.0.1", "localhost")
    monkeypatch.setattr("bulk.vpcep.addresses.must_be_named", lambda api, _="": api.host == "localhost")
    monkeypatch.setattr("bulk.app.sources.must_be_named", lambda api, _="": api.host == "localhost")
    stage.job(wide([1]), endpoint=here)
    monkeypatch.setenv("BULK_PROJECT_ID", PROJECT)
    planned = stage.bulk("plan", ".", "--out", "p", "--endpoint", here)
    assert planned.code == ExitCode.OK, planned.err
    assert f"bulk apply p --endpoint {here}" in planned.err
    assert f"bulk apply p --endpoint {here}" in stage.bulk("status", "p").out
    assert stage.bulk("apply", "p", "--yes").code == ExitCode.REFUSED
    assert stage.applied == []
    monkeypatch.setattr(sys, "stdin", Typed("no\n"))
    stopped = stage.bulk("apply", "p", "--endpoint", here)
    assert f"to continue: bulk apply p --endpoint {here}" in stopped.err
    assert stage.bulk("apply", "p", "--endpoint", here, "--yes").code == ExitCode.OK
    assert stage.bulk("rollback", "p").code == ExitCode.REFUSED
    assert stage.bulk("rollback", "p", "--endpoint", here).code == ExitCode.OK


# IAM


USER = {"HW_USER_NAME": "ann", "HW_USER_PASSWORD": "hidden-word", "HW_DOMAIN_NAME": "acme"}


def test_beside_a_tunnel_no_iam_elsewhere_is_asked_and_the_project_is_named(
    stage: Stage, out: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint on this machine may be for practice: what the key could do at the real IAM stays undone."""
    here = (stage.job(wide([1])), "--endpoint", stage.aside.simulator.url)
    monkeypatch.delenv("BULK_PROJECT_ID")
    for iam in (None, "https://iam.cn-north-4.myhuaweicloud.com"):
        if iam:
            monkeypatch.setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", iam)
        else:
            monkeypatch.delenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", raising=False)
        refused = stage.bulk("plan", *here)
        assert refused.code == ExitCode.CANNOT_RUN
        assert "name the project with --project-id; or set " in refused.err
        assert "such as a tunnel, only an IAM on this machine is asked" in refused.err
        assert out.asked() == set()
        assert stage.bulk("plan", *here, "--project-id", PROJECT).code == ExitCode.OK


@pytest.mark.parametrize("way", ["password", "look-up"])
def test_the_iam_of_another_operator_is_never_guessed(
    stage: Stage, out: Gate, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A password, or a key that looks up its project, goes nowhere until IAM is named; then it goes there."""
    if way == "password":
        for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
            monkeypatch.delenv(name)
        for name, value in USER.items():
            monkeypatch.setenv(name, value)
    else:
        monkeypatch.delenv("BULK_PROJECT_ID")
    ended = stage.bulk("plan", ".", "--endpoint", URL)
    assert ended.code == ExitCode.CANNOT_RUN
    assert "needs IAM, whose address is not known for this endpoint" in ended.err
    assert "HUAWEICLOUD_SDK_IAM_ENDPOINT=https://HOST" in ended.err
    assert out.asked() == set()
    monkeypatch.setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", "https://iam.example.com")
    assert stage.bulk("plan", ".", "--endpoint", URL).code == ExitCode.CANNOT_RUN
    assert out.asked() == {"iam.example.com"}


# What is looked for, and where


def test_a_variable_that_may_mean_another_account_is_refused_before_anything_leaves(
    stage: Stage, out: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name; a named profile, offline verbs and the bundled simulator do not mind it."""
    monkeypatch.setenv("OS_AGENCY_NAME", "ops")
    ended = stage.bulk("plan", ".", "--endpoint", f"https://{KNOWN}")
    assert ended.code == ExitCode.CANNOT_RUN
    assert "OS_AGENCY_NAME is set, which bulk does not honour" in ended.err
    assert out.asked() == set()
    assert stage.bulk("check", ".").code == ExitCode.OK
    path = Path(stage.file("keys", "[night]\nak = A\nsk = S\n"))
    path.chmod(0o600)
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(path))
    stage.bulk("plan", ".", "--endpoint", f"https://{KNOWN}", "--profile", "night")
    assert out.asked() == {KNOWN}
    monkeypatch.setenv("BULK_PROJECT_ID", PROJECT)
    stage.file("fleet.jsonl", f'{{"id": "{service_id(1)}", "project_id": "{PROJECT}"}}\n')
    stage.job(wide([1]), endpoint="simulator")
    assert stage.bulk("plan", ".").code == ExitCode.OK


def test_a_credentials_file_that_others_may_read_is_named_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that mends it; after that nothing is said."""
    identity = stage.aside.simulator.identity
    path = stage.folder.parent / "keys"
    path.write_text(f"[basic]\nak = {identity.ak}\nsk = {identity.sk}\n")
    path.chmod(0o644)
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(path))
    rows = stage.job(wide([1, 2]))
    ended = stage.bulk("plan", rows, "-q")
    assert ended.code == ExitCode.OK, ended.err
    assert ended.err.count(f"others may read the credentials file {path}: chmod 600 {path}\n") == 1
    two = "service_id,project_id,ports\n" + "".join(
        f"{service_id(number)},{project_id},81:81\n" for number, project_id in ((1, PROJECT), (2, "f" * 32))
    )
    assert stage.bulk("plan", stage.file("two.csv", two)).err.count("others may read") == 1
    path.chmod(0o600)
    assert "others may" not in stage.bulk("plan", rows).err
    path.chmod(0o666)
    assert stage.bulk("plan", rows).code == ExitCode.CANNOT_RUN


# Editions of the cloud

OTC = "otc.t-systems.com"


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ({}, set()),
        ({"HW_CLOUD": "myhuaweicloud.com"}, set()),
        ({"HW_CLOUD": OTC}, {f"iam.eu-de.{OTC}"}),
        ({"HW_AUTH_URL": f"https://iam.eu-de.{OTC}/v3"}, {f"iam.eu-de.{OTC}"}),
        ({"HW_CLOUD": OTC, "HW_AUTH_URL": "https://iam.cn-north-4.myhuaweicloud.com/v3"}, set()),
        ({"HW_CLOUD": OTC, "BULK_ENDPOINT": f"https://{KNOWN}"}, set()),
        ({"BULK_ENDPOINT": f"https://vpcep.eu-de.{OTC}"}, {f"iam.eu-de.{OTC}"}),
        ({"HW_CLOUD": "otc.t-system.com"}, set()),
        ({"HW_CLOUD": "cloud.example.com"}, set()),
    ],
)
def test_a_password_goes_to_the_operator_that_a_person_named_and_to_no_other(
    stage: Stage, out: Gate, monkeypatch: pytest.MonkeyPatch, named: dict[str, str], asked: set[str]
) -> None:
    """A region of a job file alone sends it nowhere, nor do names that contradict each other."""
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
        monkeypatch.delenv(name)
    for name, value in (USER | named).items():
        monkeypatch.setenv(name, value)
    stage.job(wide([1]), region="eu-de")
    monkeypatch.delenv("BULK_REGION", raising=False)
    ended = stage.bulk("plan", ".")
    assert ended.code in {ExitCode.CANNOT_RUN, ExitCode.USAGE}
    assert out.asked() == asked
    assert "hidden-word" not in ended.said


def test_credentials_of_one_profile_do_not_go_where_those_of_another_may(
    stage: Stage, out: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each profile says for itself where its keys go."""
    path = Path(stage.file("keys", f"[one]\nak = A\nsk = S\nendpoint = {URL}\n[two]\nak = A\nsk = S\n"))
    path.chmod(0o600)
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(path))
    monkeypatch.delenv("BULK_PROJECT_ID")
    rows = "".join(
        f"{service_id(number)},{profile},{PROJECT},81:81\n" for number, profile in ((1, "one"), (2, "two"))
    )
    stage.job(f"service_id,profile,project_id,ports\n{rows}", endpoint=URL)
    refused(stage.bulk("plan", "."), out)


def test_the_bundled_simulator_gets_no_keys_of_a_profile(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its own; a profile that a row names is not even looked for."""
    monkeypatch.delenv("BULK_ENDPOINT", raising=False)
    stage.file("fleet.jsonl", f'{{"id": "{service_id(1)}", "project_id": "{PROJECT}"}}\n')
    rows = f"service_id,profile,ports\n{service_id(1)},nobody,81:81\n"
    ended = stage.bulk("plan", stage.job(rows, endpoint="simulator"))
    assert ended.code == ExitCode.OK, ended.said


def test_a_server_on_this_machine_gets_nobodys_real_keys_without_a_word(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of a file that nobody named; of variables and profiles it is known."""
    identity = stage.aside.simulator.identity
    path = tmp_path / ".huaweicloud" / "credentials"
    path.parent.mkdir()
    path.write_text(f"[basic]\nak = {identity.ak}\nsk = {identity.sk}\n")
    path.chmod(0o600)
    rows = stage.job(wide([1]))
    assert "gets credentials from" not in stage.bulk("plan", rows).err
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = stage.bulk("plan", rows)
    assert ended.code == ExitCode.OK, ended.said
    assert ended.err.count(f"on this machine, gets credentials from [basic] of {path}: nothing names") == 1
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(path))
    assert "gets credentials from" not in stage.bulk("plan", rows).err


def test_rows_and_exports_without_a_region_are_in_that_of_a_variable(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag goes before it; without either it is said what to add."""
    monkeypatch.delenv("BULK_REGION", raising=False)
    monkeypatch.delenv("BULK_PROJECT_ID")
    rows = stage.job(wide([1]))
    for command in (("plan", rows), ("export",)):
        monkeypatch.delenv("HW_REGION_NAME", raising=False)
        refused = stage.bulk(*command)
        assert refused.code == ExitCode.USAGE
        assert "no region is known for rows that name none" in refused.err
        monkeypatch.setenv("HW_REGION_NAME", "cn-north-4")
        assert stage.bulk(*command).code == ExitCode.OK
        assert stage.bulk(*command, "--region", "cn-east-3").code == ExitCode.CANNOT_RUN


def test_the_variable_of_a_region_names_a_host_also_where_another_variable_names_the_region(
    stage: Stage, out: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are a person's own words."""
    monkeypatch.delenv("BULK_REGION", raising=False)
    monkeypatch.setenv("BULK_PROJECT_ID", PROJECT)
    monkeypatch.setenv("HW_REGION_NAME", "cn-north-4")
    rows = stage.job(wide([1]))
    monkeypatch.setenv("HUAWEICLOUD_SDK_REGION_VPCEP_CN_NORTH_4", URL)
    assert stage.bulk("plan", rows).code == ExitCode.CANNOT_RUN
    assert out.asked() == {HOST}
