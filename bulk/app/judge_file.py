"""The file that judges waves: one of the job's own, which nobody else can have put there or changed."""

import os
import shlex
import stat
from pathlib import Path

from bulk.errors import JobInvalid
from bulk.files.new_file import others_may_write
from bulk.model import Issue
from bulk.settings import Job, JudgeSetting

_HINT = 'name an executable file in the folder of job.toml, such as judge = "./probe.sh"'


def judge_must_be_usable(job: Job, folder: Path | None) -> None:
    """Raise JobInvalid where the judge of a job is a file that must not be run; see `judge_issue`."""
    if issue := judge_issue(job.guards.judge, folder):
        raise JobInvalid((issue,))


def judge_issue(judge: JudgeSetting | None, folder: Path | None) -> Issue | None:
    """Return why a judge cannot be asked; None where it can be, or is none, or is a URL.

    `folder` is that of the job; None where it is not known.
    """
    if judge is None or judge.url:
        return None
    message, hint = _objection(judge, folder) if folder else ("the folder of the job is not known", _HINT)
    return Issue(place="settings", field="judge", message=message, hint=hint) if message else None


def judge_path(judge: JudgeSetting, folder: Path) -> Path:
    """Return the absolute path of the file to run, links in it not followed."""
    return folder.absolute() / judge.words[0]


def _objection(judge: JudgeSetting, folder: Path) -> tuple[str, str]:
    """Return why a file must not be run, and what to do; empty where it may be."""
    name, path, home = judge.words[0], judge_path(judge, folder), folder.resolve()
    if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder.absolute())):
        return f"{name} lies outside of the job's folder", _HINT
    try:
        real = path.resolve(strict=True)
        found, above = real.stat(), real.parent.stat()
    except (OSError, RuntimeError) as error:  # RuntimeError: of links in a circle
        return f"{name}: {getattr(error, 'strerror', None) or 'a circle of links'}", _HINT
    if not real.is_relative_to(home):
        return f"{name} is a link out of the job's folder", _HINT
    if not stat.S_ISREG(found.st_mode):
        return f"{name} is not a file", _HINT
    if others_may_write(found):
        return f"{name} may be written by others", f"chmod go-w {shlex.quote(str(path))}"
    if above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
        return (
            f"{name} may be replaced by others, who may write to its folder",
            f"chmod o-w {shlex.quote(str(real.parent))}",
        )
    if not os.access(real, os.X_OK):
        return f"{name} is not executable", f"chmod +x {shlex.quote(str(path))}"
    return "", ""
