"""The job: which rows, where, how fast and within which limits; from `job.toml` and from flags.

`job.toml` stores the flags: a key is the flag's name with `_` for `-`, and both are read by the same
rules from the same forms.
"""

from bulk.core.job.forms import Daily, Deadline, Rate, Share, Window
from bulk.core.job.reading import Issues, given_of, read_job
from bulk.core.job.settings import CAUTIOUS_RATE, Job, SimulatorSettings, job_schema

__all__ = [
    "CAUTIOUS_RATE",
    "Daily",
    "Deadline",
    "Issues",
    "Job",
    "Rate",
    "Share",
    "SimulatorSettings",
    "Window",
    "given_of",
    "job_schema",
    "read_job",
]
