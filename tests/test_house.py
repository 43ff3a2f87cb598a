"""What holds for the house as a whole; who may import whom is import-linter's business (pyproject.toml)."""

import ast
import re
import runpy
from pathlib import Path

import pytest

import newsletter

ROOT = Path(newsletter.__file__).parent
CHECKOUT = ROOT.parent
FILES = sorted(path for path in ROOT.rglob("*.py") if "versions" not in path.parts)
MOST_FILES, MOST_LINES = 16, 400
"""What one can keep in mind of a folder, and of a file. The commands are a file each, so `cli` may hold more."""
RETIRED = (
    "Courier", "Desk", "Job", "Lane", "Lanes", "Late", "Loom", "Shelf", "ShelfPost", "Weave", "Workshop", "Woven",
    "Look", "look", "said", "staff", "tell", "tidy", "typeset", "weight", "whole",
)  # fmt: skip
"""Names of our own making that the field's words have replaced; docs/decisions.md tells which."""


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_only_one_file_starts_an_event_loop() -> None:
    starters = {
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if any(word in read(path) for word in ("asyncio.run(", "asyncio.Runner(", "run_until_complete("))
    }
    assert starters == {"cli/loop.py"}


def test_no_folder_is_crowded() -> None:
    folders = {path.parent for path in FILES} - {ROOT / "cli"}
    crowded = {str(folder): len(list(folder.glob("[!_]*.py"))) for folder in folders}
    assert {folder: count for folder, count in crowded.items() if count > MOST_FILES} == {}


def test_no_file_is_long() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): len(read(path).splitlines()) for path in FILES}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_every_file_begins_with_what_it_does() -> None:
    assert [str(path) for path in FILES if not read(path).startswith('"""')] == []


def test_retired_names_stay_retired() -> None:
    defined = re.compile(rf"^\s*(?:class|(?:async )?def) ({'|'.join(RETIRED)})\b", re.MULTILINE)
    found = {path.relative_to(ROOT).as_posix(): defined.findall(read(path)) for path in FILES}
    assert {name: names for name, names in found.items() if names} == {}
    modules = {path.stem for path in FILES} & {name.lower() for name in (*RETIRED, "Facts", "Misconfig")}
    assert modules == set()


def test_one_name_has_one_meaning() -> None:
    """No class, and no alias of a type, is called what another one is called."""
    alias = re.compile("_?[A-Z].*[a-z]")
    places: dict[str, list[str]] = {}
    for path in FILES:
        tree = ast.parse(read(path))
        names = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names += [one.id for one in targets if isinstance(one, ast.Name) and alias.match(one.id)]
        for name in names:
            places.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_tests_ask_in_the_open() -> None:
    """A test that reaches into a private field holds the inside, not the behaviour."""
    ours = re.compile(
        r"^from newsletter\S* import [^\n]*\b_\w+"
        r"|\b(?!self|pytest|etree|os)\w+\._(?!domainkey|report|dmarc|bimi|tls)[a-z]\w+",
        re.M,
    )
    found = {
        path.relative_to(CHECKOUT).as_posix(): names
        for path in sorted((CHECKOUT / "tests").rglob("*.py"))
        if (names := ours.findall(read(path)))
    }
    assert found == {}


def test_the_picture_of_the_rooms_is_what_the_imports_say() -> None:
    pytest.importorskip("grimp")
    drawn = runpy.run_path(str(CHECKOUT / "docs" / "images" / "house.py"))
    assert read(drawn["PICTURE"]) == drawn["draw"](), "run `make docs`"


def test_every_room_and_module_that_the_architecture_page_names_is_there() -> None:
    page = read(CHECKOUT / "docs" / "explanation" / "architecture.md")
    named = set(re.findall(r"`((?:[a-z_]+/)*(?:[a-z_0-9]+\.py)?)`", page)) - {""}
    assert len(named) > 60
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_architecture_page_names_every_room_and_every_room_inside_one() -> None:
    page = read(CHECKOUT / "docs" / "explanation" / "architecture.md")
    rooms = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.rglob("__init__.py") if path.parent != ROOT}
    assert {room for room in rooms if f"`{room}/`" not in page} == set()
