"""Settings of a job as a ledger keeps them, and as a person edits them while a run is open."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bulk.ledger.edits import WHERE, Edits, edits
from bulk.model import Issue
from bulk.plan.footprint import Footprint
from bulk.settings import (
    SETTINGS,
    Job,
    Setting,
    WhileOpen,
    job_schema,
    read_settings,
    settings_json,
    values_of,
)

TEXTS = {
    "window": st.one_of(
        st.tuples(st.times(), st.times(), st.sampled_from(["", " UTC", "Z"])).map(
            lambda parts: f"{parts[0]:%H:%M}-{parts[1]:%H:%M}{parts[2]}"
        ),
        st.datetimes(timezones=st.sampled_from([None]) | st.timezones()),
    ),
    "endpoint": st.sampled_from(["", "simulator", "https://vpcep.example.com/", "http://[::1]:8080"]),
}
NUMBERS = {int: st.integers(0, 1_000), float: st.floats(0, 600), bool: st.booleans()}


def written(name: str, setting: Setting) -> st.SearchStrategy[Any]:
    """Draw a value as job.toml may have it."""
    form = setting.form
    if form.is_named:
        tables = st.sampled_from(
            [{"form": "json", "url_env": "BULK_NOTIFY_A"}, {"to": "smn:urn:smn:a-b:c:d"}]
        )
        return st.dictionaries(st.sampled_from(["ops", "net-team"]), tables)
    if form.table:
        return st.fixed_dictionaries({"fleet": st.text(min_size=1).filter(lambda text: "\0" not in text)})
    texts = TEXTS.get(name, st.from_regex(form.pattern, fullmatch=True))
    drawn = st.one_of(texts, *(NUMBERS[kind] for kind in form.types if kind in NUMBERS))
    return drawn.filter(lambda raw: not isinstance(form.read(raw), Issue))


STORED = st.fixed_dictionaries(
    {"rows": written("rows", SETTINGS["rows"])},
    optional={name: written(name, setting) for name, setting in SETTINGS.items() if name != "rows"},
)


@given(STORED)
def test_the_written_settings_of_a_job_read_back_to_the_same_job(stored: dict[str, Any]) -> None:
    """Also after they were JSON, as in a ledger."""
    job = read_settings(Job, stored, flags={})
    assert isinstance(job, Job)
    kept = orjson.loads(orjson.dumps(settings_json(job)))
    assert read_settings(Job, kept, flags={}) == job
    assert set(kept) <= set(job_schema()["properties"])


def edited(began: Job, asked: Job, *, may_fail_more: bool) -> Edits:
    """Return what becomes of the edits of a run of a small plan; all that says where leads elsewhere."""
    plan = Footprint(rows=60, changes=40, mappings=80)
    return edits(asked, began, began, plan, elsewhere=WHERE, may_fail_more=may_fail_more)


@given(STORED, STORED)
def test_each_setting_that_is_edited_is_taken_or_refused_or_without_effect(
    began: dict[str, Any], asked: dict[str, Any]
) -> None:
    """As the table of settings says; the next session has what is taken, and all else as it was."""
    before, after = (read_settings(Job, stored, flags={}) for stored in (began, asked))
    assert isinstance(before, Job)
    assert isinstance(after, Job)
    found = edited(before, after, may_fail_more=False)
    taken, refused = ({edit.setting for edit in part} for part in (found.taken, found.refused))
    was, now, following = map(values_of, (before, after, found.job))
    for name, setting in SETTINGS.items():
        is_edited = was[name] != now[name]
        assert (name in taken) == (is_edited and setting.while_open is WhileOpen.TAKEN)
        assert name not in refused or (is_edited and setting.while_open is WhileOpen.REFUSED)
        assert following[name] == (now if name in taken else was)[name]
    assert found.kept == refused


@given(STORED)
def test_a_job_that_was_written_again_has_no_edits(stored: dict[str, Any]) -> None:
    """In another order and as the ledger writes it, also beside a word that lifts a stop."""
    job = read_settings(Job, stored, flags={})
    assert isinstance(job, Job)
    again = read_settings(Job, dict(reversed(settings_json(job).items())), flags={})
    assert isinstance(again, Job)
    assert edited(job, again, may_fail_more=True) == Edits(job=job, taken=(), refused=(), kept=frozenset())
