"""A key that the cloud does not accept: one request finds out, for all regions and whatever the verb."""

import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage
from tests.simulator_caller import line, service_id

REGIONS = {
    region: f"{number:032x}"
    for number, region in enumerate(
        (
            "cn-north-4",
            "cn-north-1",
            "cn-east-3",
            "cn-east-2",
            "cn-south-1",
            "ap-southeast-1",
            "ap-southeast-3",
            "af-south-1",
        ),
        start=1,
    )
}
EIGHT_REGIONS = pytest.mark.parametrize(
    "stage",
    [
        {
            "fleet": [
                line(number, project_id=project) for number, project in enumerate(REGIONS.values(), start=1)
            ],
            "projects": REGIONS,
        }
    ],
    indirect=True,
)


def rows(*, names_projects: bool = True) -> str:
    """Return a job of one row in each region."""
    lines = (
        f"{service_id(number)},{region},{project if names_projects else ''},{1000 + number}:22"
        for number, (region, project) in enumerate(REGIONS.items(), start=1)
    )
    return "\n".join(("service_id,region,project_id,ports", *lines, ""))


def answers(stage: Stage) -> dict[str, int]:
    """Return how often the simulator answered with each status."""
    counted: dict[str, int] = stage.aside.do(lambda simulator: simulator.stats["answers"])
    return counted


@EIGHT_REGIONS
@pytest.mark.parametrize("verb", ["plan", "apply", "plan LEDGER", "apply LEDGER", "rollback", "export"])
def test_a_wrong_key_is_one_bad_signature_in_eight_regions(
    verb: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five lock the key; so all lanes wait for the first answer to it, and then none sends anything."""
    words = [verb.partition(" ")[0], stage.job(rows())]
    if verb.endswith("LEDGER"):
        stage.bulk("plan", words[1], "--out", str(stage.folder / "saved"))
        words = [words[0], str(stage.folder / "saved")]
    elif verb == "rollback":
        assert stage.apply(words[1]).code == ExitCode.OK
        words = ["rollback", str(stage.ledger), "--apply"]
    elif verb == "export":
        words = ["export"]
    sent = len(stage.applied)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "wrong")
    ended = stage.bulk(*words, *(["--yes"] if words[0] in {"apply", "rollback"} else []))
    assert ended.code == ExitCode.CANNOT_RUN
    assert answers(stage)["401"] == 1
    assert len(stage.applied) == sent


@EIGHT_REGIONS
def test_a_wrong_key_is_one_bad_signature_where_projects_are_looked_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IAM is asked for the project of one region."""
    monkeypatch.delenv("BULK_PROJECT_ID")
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "wrong")
    assert stage.bulk("plan", stage.job(rows(names_projects=False))).code == ExitCode.CANNOT_RUN
    assert answers(stage)["401"] == 1


@EIGHT_REGIONS
def test_a_wrong_password_is_tried_once_for_a_saved_plan(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each region has a token of its own, and wrong passwords lock the account."""
    stage.bulk("plan", stage.job(rows()), "--out", str(stage.folder / "saved"))
    for name in ("AK", "SK"):
        monkeypatch.delenv(f"HUAWEICLOUD_SDK_{name}")
    identity = stage.aside.simulator.identity
    monkeypatch.setenv("HW_USER_NAME", identity.user)
    monkeypatch.setenv("HW_DOMAIN_NAME", identity.domain)
    monkeypatch.setenv("HW_USER_PASSWORD", "wrong")
    assert stage.bulk("plan", str(stage.folder / "saved")).code == ExitCode.CANNOT_RUN
    assert answers(stage)["401"] == 1


@EIGHT_REGIONS
@pytest.mark.parametrize(
    ("named", "instead", "places"),
    [
        ("ap-southeast-1,,", "ap-southeast-l,,", "services.csv:7"),
        (f"cn-north-1,{REGIONS['cn-north-1']},", f"cn-north-1,{'c' * 32},", "services.csv:3"),
        ("cn-east-3,,", "cn-north-1x,,", "services.csv:4 and 1 more row"),
    ],
)
def test_of_several_targets_the_rows_of_the_one_that_cannot_be_planned_are_named(
    named: str, instead: str, places: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A region without a project, a project that may not be listed, one bad value in two rows."""
    monkeypatch.delenv("BULK_PROJECT_ID")
    job = rows(names_projects=REGIONS["cn-north-1"] in named)
    if "more" in places:
        job += job.splitlines()[3].replace(service_id(3), service_id(103)) + "\n"
    ended = stage.bulk("plan", stage.job(job.replace(named, instead)))
    assert ended.code == ExitCode.CANNOT_RUN
    assert f"/{places})\n" in ended.err
