"""The job: which rows, where, how fast and within which limits; from `job.toml` and from flags.

`job` is the table of all settings, `forms` says how their values are written and `quantities` what they
are. `stored` reads job.toml, flags and what a ledger keeps of a job, and writes the latter. `zone` is the
time zone of this machine.
"""

from bulk.settings.forms import SIMULATOR
from bulk.settings.job import (
    CAUTIOUS_RATE,
    SEND_WITHIN_S,
    SETTINGS,
    FleetSettings,
    Group,
    Guards,
    Job,
    NotifySettings,
    PaceSettings,
    Setting,
    SimulatorSettings,
    WhenSettings,
    WhereSettings,
    WhileOpen,
    flag_of,
    settings_of,
    variable_of,
)
from bulk.settings.quantities import Duration, JudgeSetting, Rate, Share, Waves, WavesBy
from bulk.settings.stored import (
    Issues,
    job_schema,
    located,
    read_job,
    read_settings,
    read_usable,
    settings_json,
    usable,
    values_of,
    with_values,
)

__all__ = [
    "CAUTIOUS_RATE",
    "SEND_WITHIN_S",
    "SETTINGS",
    "SIMULATOR",
    "Duration",
    "FleetSettings",
    "Group",
    "Guards",
    "Issues",
    "Job",
    "JudgeSetting",
    "NotifySettings",
    "PaceSettings",
    "Rate",
    "Setting",
    "Share",
    "SimulatorSettings",
    "Waves",
    "WavesBy",
    "WhenSettings",
    "WhereSettings",
    "WhileOpen",
    "flag_of",
    "job_schema",
    "located",
    "read_job",
    "read_settings",
    "read_usable",
    "settings_json",
    "settings_of",
    "usable",
    "values_of",
    "variable_of",
    "with_values",
]
