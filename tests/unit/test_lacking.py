"""What a job needs of the machine it runs on."""

import sys

import pytest

from bulk.app.lacking import lacking, must_have_metrics
from bulk.errors import UsageError
from bulk.operations.notices import BotForm
from bulk.settings import Job, NotifySettings

SIGNED = NotifySettings(form=BotForm.FEISHU, url_env="BULK_NOTIFY_OPS", secret_env="BULK_NOTIFY_SECRET")
FILED = NotifySettings(form=BotForm.JSON, url_file="/etc/bulk/url")


def test_each_variable_that_is_not_set_or_empty_is_named() -> None:
    """With whom it keeps from being notified; what comes from a file or from SMN needs none."""
    job = Job(rows="-", notify=(("ops", SIGNED), ("own", FILED)))
    assert [*lacking(job, {"BULK_NOTIFY_OPS": " "})] == [
        "ops would not be notified from here: BULK_NOTIFY_OPS is not set",
        "ops would not be notified from here: BULK_NOTIFY_SECRET is not set",
    ]
    assert [*lacking(job, {"BULK_NOTIFY_OPS": "https://x", "BULK_NOTIFY_SECRET": "s"})] == []


def test_metrics_without_their_library_are_missed_before_apply_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a job wants them, and only there."""
    monkeypatch.setattr("bulk.app.lacking.find_spec", lambda name: None if "prometheus" in name else sys)
    wanted = Job(rows="-", metrics="/var/lib/bulk.prom")
    (words,) = lacking(wanted, {})
    with pytest.raises(UsageError) as refused:
        must_have_metrics(wanted)
    assert words.startswith(f"{refused.value.message} here")
    must_have_metrics(Job(rows="-"))
    assert [*lacking(Job(rows="-"), {})] == []
