"""The house's own page, bulk/README.md, is true: what it names is there."""

import re

from bulk import __version__
from tests.documents import ROOT, rows, section

PAGE = (ROOT / "bulk" / "README.md").read_text(encoding="utf-8")


def coded(text: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`\n]+)`", text)


def source(path: str) -> str:
    """Return the text of a file."""
    return (ROOT / path).read_text(encoding="utf-8")


def test_every_path_of_the_page_is_there() -> None:
    """Files and folders of `bulk`, `tests` and `jobs`, wherever they are named, commands included."""
    named = set(re.findall(r"\b(?:bulk|tests|jobs)/[\w./-]*\w", PAGE))
    assert len(named) > 50
    assert not [path for path in named if not (ROOT / path).exists()]


def test_every_test_of_the_page_is_there() -> None:
    """As a function of the file that is named before it."""
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", PAGE)
    assert len(named) > 15
    assert not [
        name
        for path, name in named
        if not re.search(rf"^(?:async )?def {name}\(", source(path), re.MULTILINE)
    ]


def test_every_promise_names_a_test() -> None:
    """In the order of their numbers, each with one test at least; some numbers are not yet true."""
    promises = [row for row in rows(section(PAGE, "The promises")) if re.fullmatch(r"P\d+", row[0])]
    numbers = [int(row[0][1:]) for row in promises]
    assert numbers == sorted(set(numbers))
    assert numbers[:7] == list(range(1, 8))
    assert all("::test_" in row[2] for row in promises)


def test_every_room_has_its_line() -> None:
    """Each folder of the package that holds files of ours, once; and no other."""
    named = [coded(row[0])[0] for row in rows(section(PAGE, "The picture"))[2:]]
    there = {path.parent for path in (ROOT / "bulk").rglob("*.py")} | {ROOT / "bulk" / "vpcep"}
    assert sorted(named) == sorted(path.relative_to(ROOT).as_posix() for path in there - {ROOT / "bulk"})


def test_every_folder_of_tests_has_its_line() -> None:
    """Each folder below `tests` that holds tests of its own, once; and no other."""
    named = [coded(row[0])[0] for row in rows(section(PAGE, "Tests")) if row[0].startswith("`tests/")]
    there = {path.relative_to(ROOT).parts[1] for path in (ROOT / "tests").glob("*/**/*.py")}
    assert sorted(named) == sorted(f"tests/{name}" for name in there)


def test_every_word_is_a_name_in_the_code() -> None:
    """Defined in the file that stands beside it: a class, or an alias of a type."""
    words = rows(section(PAGE, "The words"))[2:]
    assert len(words) > 15
    for word, place, _ in words:
        name, path = coded(place)
        assert re.search(rf"^(?:class {name}\b|{name}: TypeAlias)", source(path), re.MULTILINE), word


def test_every_name_of_the_recipes_is_in_a_file_that_they_name() -> None:
    """Functions and tables in backticks are still called so."""
    recipes = [text for text in section(PAGE, "Recipes").split("\n\n") if text.lstrip().startswith("**")]
    assert len(recipes) >= 3
    for recipe in recipes:
        files = [path for path in coded(recipe) if (ROOT / path).is_file()]
        names = [name for name in coded(recipe) if re.fullmatch(r"_?[A-Za-z_]\w+", name)]
        assert files
        text = "\n".join(map(source, files))
        assert not [name for name in names if not re.search(rf"\b{name}\b", text)], recipe


def test_the_version_in_force_has_its_line() -> None:
    """Whoever raises `__version__` says what changed."""
    assert f"**{__version__}**" in section(PAGE, "Changes by version")
