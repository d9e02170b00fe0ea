"""Fault plans: which requests they hit, and that they hit the same ones again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bulk.simulator import FaultKind, FaultPlan
from bulk.simulator.faults import Faults, fault_refusal

PATHS = [f"/v1/p/vpc-endpoint-services/{number}" for number in range(20)]
ERRORS = [kind for kind in FaultKind if kind.startswith(("throttle_", "error_"))]


def faults(**plan: object) -> Faults:
    """Return a plan at work."""
    return Faults(FaultPlan.model_validate(plan))


def test_a_rule_hits_its_nth_matching_request_and_the_times_after_it() -> None:
    """Second to fourth PUT; GETs are not counted."""
    plan = faults(rules=[{"kind": "reset", "method": "PUT", "nth": 2, "times": 3}])
    hits = []
    for _ in range(6):
        assert plan.draw("GET", PATHS[0], "a") is None
        hits.append(plan.draw("PUT", PATHS[0], "a") is not None)
    assert hits == [False, True, True, True, False, False]


def test_a_rule_for_one_service_leaves_the_others_alone() -> None:
    """Only the service that is named is hit."""
    plan = faults(rules=[{"kind": "reset", "service_id": "a", "times": None}])
    assert plan.draw("PUT", PATHS[1], "b") is None
    assert plan.draw("PUT", PATHS[0], "a") is not None
    assert plan.draw("GET", PATHS[0], "a") is not None


def test_rules_for_reads_and_for_writes_are_kept_apart() -> None:
    """GET is a read, everything else a write."""
    reads = faults(rates={"reset": 1.0}, **{"for": "reads"})
    writes = faults(rates={"reset": 1.0}, **{"for": "writes"})
    assert [
        plan.draw(method, PATHS[0], None) is not None for plan in (reads, writes) for method in ("GET", "PUT")
    ] == [
        True,
        False,
        False,
        True,
    ]


def test_the_first_rule_that_hits_wins_and_the_others_still_count() -> None:
    """Two rules for the same request: the second one's count has moved on."""
    plan = faults(rules=[{"kind": "reset"}, {"kind": "slow", "nth": 2}])
    drawn = [plan.draw("PUT", PATHS[0], "a") for _ in range(3)]
    assert [rule and rule.kind for rule in drawn] == [FaultKind.RESET, FaultKind.SLOW, None]


@given(st.permutations(PATHS), st.integers(0, 1000))
def test_rates_hit_the_same_requests_in_any_order_of_arrival(order: list[str], seed: int) -> None:
    """So a plan means the same whatever the concurrency of the client."""

    def hit(paths: list[str]) -> set[str]:
        plan = faults(seed=seed, rates={"reset_after": 0.3})
        return {path for path in paths if plan.draw("PUT", path, None)}

    assert hit(order) == hit(PATHS)


def test_a_rate_hits_about_as_often_as_it_says() -> None:
    """Ten percent of 5,000, give or take two."""
    plan = faults(seed=7, rates={"throttle_429": 0.1})
    hits = sum(plan.draw("PUT", path, None) is not None for path in PATHS for _ in range(250))
    assert 400 <= hits <= 600


def test_the_same_request_asked_again_is_rolled_for_again() -> None:
    """Else a retry would always meet the same fault."""
    plan = faults(seed=7, rates={"throttle_429": 0.5})
    hits = [plan.draw("PUT", PATHS[0], None) is not None for _ in range(200)]
    assert 70 <= sum(hits) <= 130


def test_a_key_of_rates_is_a_kind_or_a_kind_after_or_a_code() -> None:
    """All three spellings become rules that never wear out."""
    plan = FaultPlan.model_validate(
        {"rates": {"reset": 0.1, "error_504_0013_after": 0.2, "EndPoint.2004": 0.3}}
    )
    read = [(rule.kind, rule.after, rule.code, rule.rate, rule.times) for rule in plan.all_rules]
    assert read == [
        (FaultKind.RESET, False, "", 0.1, None),
        (FaultKind.ERROR_504_0013, True, "", 0.2, None),
        (FaultKind.CODE, False, "EndPoint.2004", 0.3, None),
    ]


@pytest.mark.parametrize(
    "plan",
    [
        {"rates": {"flood": 0.1}},
        {"rates": {"reset": 1.1}},
        {"rules": [{"kind": "code"}]},
        {"rules": [{"kind": "reset", "code": "EndPoint.0001"}]},
        {"rules": [{"kind": "reset", "nth": 0}]},
        {"rules": [{"kind": "reset", "when": "later"}]},
    ],
)
def test_a_wrong_plan_is_refused(plan: dict[str, object]) -> None:
    """Unknown kinds, members and impossible figures do not pass silently."""
    with pytest.raises(ValidationError):
        FaultPlan.model_validate(plan)


@pytest.mark.parametrize(
    ("kind", "http", "code"),
    [
        ("throttle_429", 429, "APIGW.0308"),
        ("throttle_400", 400, "EndPoint.0022"),
        ("error_500", 500, "EndPoint.0001"),
        ("error_502", 502, ""),
        ("error_503", 503, "APIGW.0613"),
        ("error_504_0011", 504, "EndPoint.0011"),
        ("error_504_0012", 504, "EndPoint.0012"),
        ("error_504_0013", 504, "EndPoint.0013"),
    ],
)
def test_error_faults_answer_with_their_status_and_code(kind: str, http: int, code: str) -> None:
    """Each error that a fault plan may name has the status and code of API.md, section 3.2 or 3.4."""
    rule = FaultPlan.model_validate({"rules": [{"kind": kind}]}).rules[0]
    refusal = fault_refusal(rule, 0.0)
    assert (refusal.http, refusal.code) == (http, code)


def test_every_error_fault_is_in_the_table_above() -> None:
    """A new kind needs its line there."""
    assert len(ERRORS) == 8


@pytest.mark.parametrize(
    ("code", "http"),
    [
        ("EndPoint.2004", 400),
        ("EndPoint.4012", 404),
        ("APIGW.0302", 403),
        ("APIG.0105", 500),
        ("IAM.0012", 429),
    ],
)
def test_a_code_fault_answers_with_the_status_of_that_code(code: str, http: int) -> None:
    """Any documented code can be made to appear."""
    rule = FaultPlan.model_validate({"rules": [{"kind": "code", "code": code}]}).rules[0]
    assert fault_refusal(rule, 0.0).http == http


def test_a_code_fault_can_be_given_another_status() -> None:
    """An unknown code with a status of the plan's choice."""
    rule = FaultPlan.model_validate(
        {"rules": [{"kind": "code", "code": "EndPoint.9999", "http": 503}]}
    ).rules[0]
    refusal = fault_refusal(rule, 0.0)
    assert (refusal.http, refusal.code) == (503, "EndPoint.9999")
