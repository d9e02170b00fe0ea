"""The digest of a plan as an approval: what it lets pass, and what it stops."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Json, Stage, fleet_lines, wide
from tests.simulator_caller import PROJECT, service_id

ROWS = wide(range(1, 6))
LIMIT = ",".join(service_id(n) for n in range(1, 6))


def digest_of(stage: Stage, job: str, *flags: str) -> str:
    """Return the digest of a plan that is made now."""
    ended = stage.bulk("plan", job, *flags, "--output", "json")
    assert ended.code == ExitCode.OK, ended.err
    return str(orjson.loads(ended.out)["digest"])


def test_the_same_job_has_one_digest_however_and_wherever_it_is_written(stage: Stage) -> None:
    """Order, notes, layout, names, folders, profile and pace do not count, nor what happens to a service."""
    digest = digest_of(stage, stage.job(ROWS))
    header, *lines = ROWS.splitlines()
    noted = [f"{header},note,region", *(f"{line},ticket 7,cn-north-4" for line in reversed(lines))]
    ports = [line.split(",")[1].split() for line in lines]
    jsonl = [
        orjson.dumps(
            {
                "service_id": service_id(n),
                "ports": [
                    {"client_port": int(c), "server_port": int(s), "protocol": "TCP"}
                    for c, s in (one.split(":") for one in reversed(mappings))
                ],
            }
        ).decode()
        for n, mappings in enumerate(ports, start=1)
    ]
    assert digest_of(stage, stage.file("elsewhere/noted.csv", "\n".join(noted))) == digest
    assert digest_of(stage, stage.file("elsewhere/rows.jsonl", "\n".join(jsonl))) == digest
    assert digest_of(stage, "services.csv", "--rate", "7/s", "--concurrency", "3") == digest
    assert digest_of(stage, "services.csv", "--max-changes", "9", "--max-removed", "90%") == digest
    stage.order(services=[{"id": service_id(n), "updated_at": "2030-01-01T00:00:00Z"} for n in range(1, 4)])
    assert digest_of(stage, "services.csv") == digest


def test_the_bundled_simulator_is_one_place_in_every_folder(stage: Stage) -> None:
    """Where its fleet is kept does not count."""
    digests = set()
    for folder in ("a", "b"):
        stage.file(f"{folder}/fleet.jsonl", orjson.dumps(fleet_lines(1)[0]).decode())
        rows = stage.file(f"{folder}/services.csv", wide([1]))
        stage.file(f"{folder}/job.toml", 'rows = "services.csv"\n')
        digests.add(digest_of(stage, str(Path(rows).parent), "--endpoint", "simulator"))
    assert len(digests) == 1


def test_another_profile_of_the_same_project_has_the_same_digest(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is how one person calls a key."""
    identity = stage.aside.simulator.identity
    names = ("prod", "night")
    content = "".join(f"[{name}]\nak = {identity.ak}\nsk = {identity.sk}\n" for name in names)
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", stage.file("credentials", content))
    job = stage.job(ROWS)
    assert len({digest_of(stage, job, *flags) for flags in ((), *(("--profile", one) for one in names))}) == 1


@pytest.mark.parametrize(
    "flags",
    [
        ("--max-failures", "1"),
        ("--canary", "1"),
        ("--window", "00:00-23:59"),
        ("--strict",),
        ("--allow-parking",),
        ("--skip-invalid",),
        ("--limit", LIMIT),
    ],
)
def test_each_guard_counts(flags: tuple[str, ...], stage: Stage) -> None:
    """Each stands for what happens if something goes wrong, which was approved as well."""
    job = stage.job(ROWS)
    digest = digest_of(stage, job)
    assert digest_of(stage, job, *flags) != digest
    refused = stage.apply(job, *flags, "--expect-digest", digest)
    assert (refused.code, stage.applied) == (ExitCode.REFUSED, [])


def test_what_is_done_and_to_what_counts(stage: Stage) -> None:
    """A row more, a row less, another port, another service, and a service that was edited meanwhile."""
    jobs = [
        ROWS,
        wide(range(1, 7)),
        wide(range(1, 5)),
        wide(range(2, 7)),
        wide(range(1, 6), client_port=9443),
    ]
    digests = {digest_of(stage, stage.job(rows)) for rows in jobs}
    stage.order(services=[{"id": service_id(1), "ports": [{"client_port": 1, "server_port": 1}]}])
    digests.add(digest_of(stage, stage.job(ROWS)))
    assert len(digests) == len(jobs) + 1


@pytest.mark.parametrize(
    ("flag", "setting"),
    [("--max-failures", "max_failures"), ("--canary", "canary"), ("--strict", "strict")],
)
def test_an_approved_plan_is_not_run_under_other_guards(flag: str, setting: str, stage: Stage) -> None:
    """They are named, and the digest that the message offers is the one to have approved."""
    stage.bulk("plan", stage.job(ROWS), "--out", "p", "--max-failures", "2", "--canary", "1")
    (planned,) = stage.records("planned", Path("p"))
    other = [flag, *([] if flag == "--strict" else ["3"])]
    for verb in (["plan"], ["apply", "--yes"]):
        refused = stage.bulk(*verb, "p", *other, "--expect-digest", planned["digest"])
        assert refused.code == ExitCode.REFUSED
        assert f"under other terms than those in force now ({setting})" in refused.err
    assert stage.applied == []
    offered = refused.err.split("approved: ")[1].split()[0]
    assert stage.apply("p", *other, "--expect-digest", offered, "--rate", "900/s").code == ExitCode.OK


def test_an_approved_plan_is_not_sent_to_another_host(stage: Stage) -> None:
    """Nothing is asked there, not even to look."""
    stage.bulk("plan", stage.job(ROWS), "--out", "p")
    (planned,) = stage.records("planned", Path("p"))
    before = stage.aside.do(lambda simulator: dict(simulator.stats["requests"]))
    elsewhere = stage.aside.simulator.url.replace("127.0.0.1", "localhost")
    refused = stage.apply("p", "--endpoint", elsewhere, "--expect-digest", planned["digest"])
    assert refused.code == ExitCode.REFUSED
    assert "(endpoints)" in refused.err
    assert stage.aside.do(lambda simulator: dict(simulator.stats["requests"])) == before


def test_a_host_that_the_credentials_name_counts_like_any_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever edits that file after the approval sends the plan elsewhere."""
    identity = stage.aside.simulator.identity
    here, elsewhere = (
        stage.aside.simulator.url.replace("127.0.0.1", name) for name in ("127.0.0.1", "localhost")
    )
    content = f"[prod]\nak = {identity.ak}\nsk = {identity.sk}\nendpoint = {{}}\n"
    monkeypatch.delenv("BULK_ENDPOINT")
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", stage.file("credentials", content.format(here)))
    assert stage.bulk("plan", stage.job(ROWS), "--out", "p", "--profile", "prod").code == ExitCode.OK
    (planned,) = stage.records("planned", Path("p"))
    assert [target["host"] for target in stage.records("run", Path("p"))[0]["targets"]] == [here[7:]]
    stage.file("credentials", content.format(elsewhere))
    refused = stage.apply("p", "--expect-digest", planned["digest"])
    assert (refused.code, stage.applied) == (ExitCode.REFUSED, [])
    assert "(endpoints)" in refused.err
    stage.file("credentials", content.format(here))
    assert stage.apply("p", "--expect-digest", planned["digest"]).code == ExitCode.OK


def other_ports(change: Json) -> Json:
    """Return a change that sends something else."""
    first, other = change["body"]["ports"]
    return {"body": {"ports": [first, other | {"client_port": 8444}]}}


def no_limit(run: Json) -> Json:
    """Return the first record of a plan with all failures allowed."""
    return {"options": run["options"] | {"max_failures": "100%"}}


def one_more_project(run: Json) -> Json:
    """Return the first record of a plan for somewhere else as well."""
    return {"targets": [*run["targets"], run["targets"][0] | {"project_id": "0" * 32}]}


@pytest.mark.parametrize(
    ("kind", "edit"), [("change", other_ports), ("run", no_limit), ("run", one_more_project)]
)
def test_a_forged_plan_that_states_the_approved_digest_is_found(
    kind: str, edit: Callable[[Json], Json], stage: Stage
) -> None:
    """Whoever recomputes the sums still cannot have other changes pass for those that were approved."""
    stage.bulk("plan", stage.job(ROWS), "--out", "p", "--max-failures", "1")
    (planned,) = stage.records("planned", Path("p"))
    forged = stage.forged("p", lambda record: edit(record) if record["type"] == kind else {})
    for verb in (["plan"], ["apply", "--yes"]):
        refused = stage.bulk(*verb, forged, "--expect-digest", planned["digest"])
        assert refused.code == ExitCode.REFUSED, refused.said
    assert stage.applied == []
    audited = stage.bulk("audit", forged)
    assert audited.code == ExitCode.CANNOT_RUN
    assert f"states the digest {planned['digest']}, but the plan before it has" in audited.out
    assert stage.bulk("audit", "p").code == ExitCode.OK


def test_a_run_that_goes_on_is_held_to_its_approval_too(stage: Stage) -> None:
    """By its ledger and by its job, and with the settings of its last session."""
    job = stage.job(ROWS)
    digest = digest_of(stage, job)
    stage.order(faults={"rules": [{"kind": "code", "code": "APIGW.0301", "http": 401, "method": "PUT"}]})
    assert stage.apply(job, "--expect-digest", digest).code == ExitCode.CANNOT_RUN
    stage.order(faults={"rules": []})
    assert stage.apply(job, "--expect-digest", "0" * 64).code == ExitCode.REFUSED
    assert stage.apply(str(stage.ledger), "--expect-digest", digest, "--strict").code == ExitCode.REFUSED
    assert stage.apply(job, "--expect-digest", digest).code == ExitCode.OK
    assert {record["digest"] for kind in ("session", "end") for record in stage.records(kind)} == {digest}


@pytest.mark.parametrize(
    "written", ["{0}", "sha256:{0}", " {0}\n", "{0:.16}", "sha256:{0:.20}", "SHA256:{1}"]
)
def test_a_digest_is_named_by_its_first_digits(written: str, stage: Stage) -> None:
    """At least 16 of them, in any case, with or without `sha256:`."""
    job = stage.job(ROWS)
    digits = digest_of(stage, job).removeprefix("sha256:")
    given = written.format(digits, digits.upper())
    assert stage.bulk("plan", job, "--expect-digest", given).code == ExitCode.OK
    wrong = written.format("0" * 64, "0" * 64)
    assert stage.bulk("plan", job, "--expect-digest", wrong).code == ExitCode.REFUSED


@pytest.mark.parametrize("written", ["{0:.15}", "sha256:", "{0:.16}x", "{0}0", "…{0:.16}", "{0:.8} {0:.8}"])
def test_what_names_no_digest_is_wrong_usage(written: str, stage: Stage) -> None:
    """Too few digits, too many, or others; nothing is read."""
    job = stage.job(ROWS)
    digits = digest_of(stage, job).removeprefix("sha256:")
    for verb in (["plan"], ["apply", "--yes"]):
        refused = stage.bulk(*verb, job, "--expect-digest", written.format(digits))
        assert refused.code == ExitCode.USAGE
        assert "its first 16 hex digits" in refused.err
    assert PROJECT not in refused.err
