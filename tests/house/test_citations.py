"""Whatever is cited is there: sections of API.md, headings of bulk/README.md, and every document by name.

`API.md, section N.M` is the one form; several are `sections N.M and N.M` or `N.M to N.M`, a trap is
`section 7, trap N`. The house's page is cited as `bulk/README.md, "Heading"`. Sections of an RFC are not
looked at.
"""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from os.path import normpath
from pathlib import Path

import pytest

from tests.documents import API, ROOT, rows, section

NUMBER = r"\d+(?:\.\d+)?"
CITED = re.compile(rf"API\.md, sections? ({NUMBER}(?:(?:, | and | to ){NUMBER})*)((?:, trap \d+)?)")
BARE = re.compile(rf"(?<!API\.md, )(?<!RFC \d{{4}}, )\b[Ss]ections? {NUMBER}")
HEADING = re.compile(r'bulk/README\.md, "([^"]+)"')
DOCUMENT = re.compile(r"(?<![\w*/.-])([\w./-]*\w\.(?:md|rst))\b")


def wrong(text: str, where: str) -> Iterator[str]:
    """Yield what a file cites that is not there, or not in the one form."""
    joined = re.sub(r"\s*\n\s*(?:# |\* )?", " ", text)  # a citation may run over the end of a line
    if where == "bulk/vpcep/API.md":
        joined = re.sub(r"(?<!API\.md, )\b(sections? \d)", r"API.md, \1", joined)  # it speaks of itself
    yield from (f"{where}: {problem}" for problem in (*_of_api(joined), *_of_house(joined)))
    for name in DOCUMENT.findall(joined):
        if not _is_held(name, where):
            yield f"{where}: {name} is not in the repository"


def _of_api(text: str) -> Iterator[str]:
    for numbers, trap in CITED.findall(text):
        for number in re.findall(NUMBER, numbers):
            if number not in _sections():
                yield f"API.md has no section {number}"
        if trap and trap.split()[-1] not in _traps():
            yield f"API.md, section 7, has no{trap.removeprefix(',')}"
    for found in BARE.findall(text):
        yield f'"{found}" does not say of which document'


def _of_house(text: str) -> Iterator[str]:
    for heading in HEADING.findall(text):
        if heading not in _headings():
            yield f'bulk/README.md has no heading "{heading}"'


@cache
def _sections() -> frozenset[str]:
    return frozenset(re.findall(rf"^#+ ({NUMBER})\b", API, re.MULTILINE))


@cache
def _traps() -> frozenset[str]:
    return frozenset(row[0] for row in rows(section(API, "7")))


@cache
def _headings() -> frozenset[str]:
    page = ROOT / "bulk" / "README.md"
    return frozenset(re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE))


def _is_held(name: str, where: str) -> bool:
    """Return whether a document is in the repository: from its root, beside the file, or API.md itself."""
    return name == "API.md" or name in _files() or normpath(Path(where).parent / name) in _files()


@cache
def _files() -> frozenset[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]  # also what is not yet added
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return frozenset(listed.stdout.splitlines())


def _looked_at() -> list[str]:
    here = Path(__file__).relative_to(ROOT).as_posix()  # its samples below are wrong on purpose
    forms = (".py", ".md", ".toml", ".json", ".html", ".css", ".js", "run")
    return sorted(
        name for name in _files() if name.endswith(forms) and name != here and (ROOT / name).is_file()
    )


def test_every_citation_leads_somewhere() -> None:
    """In code, tests, jobs and documents alike."""
    found = [
        problem for name in _looked_at() for problem in wrong((ROOT / name).read_text(encoding="utf-8"), name)
    ]
    assert not found, "\n".join(found)


def test_there_is_much_to_look_at() -> None:
    """Citations are found where they are known to be, so that silence means that they are right."""
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in _looked_at())
    assert len(CITED.findall(text)) > 80
    assert {"1.3", "3.2", "4.2", "7"} <= _sections()
    assert len(_traps()) > 30


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("(API.md, section 3.9)", "no section 3.9"),
        ("(API.md, sections 1.1 and 99)", "no section 99"),
        ("(API.md, sections 1.1 to 1.9)", "no section 1.9"),
        ("(API.md,\n    section 1.23)", "no section 1.23"),
        ("# API.md,\n# section 1.23", "no section 1.23"),
        ("(API.md, section 7, trap 99)", "no trap 99"),
        ("(section 1.1)", "of which document"),
        ("the API document, section 1.1", "of which document"),
        ('(bulk/README.md, "No such heading")', "no heading"),
        ("see NOTES.md", "NOTES.md is not in the repository"),
        ("see docs/design.rst, which says why", "docs/design.rst is not in the repository"),
    ],
)
def test_a_wrong_citation_is_found(text: str, problem: str) -> None:
    """Each kind of mistake is named, whatever line it stands on."""
    assert problem in "\n".join(wrong(text, "bulk/model.py"))


@pytest.mark.parametrize(
    "text",
    [
        "(API.md, section 1.1)",
        "(API.md, sections 1.1 to 1.3; API.md, section 7, trap 19)",
        "(API.md, section 4.2, steps 3 to 8)",
        "(RFC 9110, section 10.2.3)",
        "API.md, section\n    4.2",
        "README.md and bulk/vpcep/API.md",
    ],
)
def test_a_right_citation_is_left_alone(text: str) -> None:
    """So are sections of an RFC."""
    assert not list(wrong(text, "bulk/model.py"))
