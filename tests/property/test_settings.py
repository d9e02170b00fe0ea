"""Settings of a job as a ledger keeps them: whatever job.toml may say reads back as what it was."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bulk.core.job import SETTINGS, Job, Setting, job_schema, read_settings, settings_json
from bulk.core.model import Issue

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
