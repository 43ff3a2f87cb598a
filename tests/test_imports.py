"""Imports go one way: a room may use the rooms below it, never those above or beside it."""

import ast
from pathlib import Path

import pytest

import newsletter

ROOT = Path(newsletter.__file__).parent
FLOORS = (
    {"cli"},
    {"web"},
    {"delivery", "feedback", "checks", "inbox"},
    {"compose", "audience"},
    {"state"},
    {"config"},
    {"misconfig"},
    {"errors"},
)
"""Highest first. `cli` starts what `web` serves, so it stands above it."""

ALLOWED_BESIDE = {("compose", "audience")}
"""An envelope is made for a subscriber and carries her tokens."""


def floor_of(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def imports(path: Path) -> set[str]:
    """The rooms of newsletter that the file imports anywhere, types included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("newsletter.") and not name.endswith("__version__")}


FILES = [path for path in sorted(ROOT.rglob("*.py")) if path.parent != ROOT or not path.stem.startswith("_")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_from_the_floors_below(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for other in imports(path) - {room}:
        assert floor_of(other) > floor_of(room) or (room, other) in ALLOWED_BESIDE, f"{path} imports {other}"


def test_only_one_file_starts_an_event_loop() -> None:
    starters = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if any(
            word in path.read_text(encoding="utf-8")
            for word in ("asyncio.run(", "asyncio.Runner(", "run_until_complete(")
        )
    }
    assert starters == {"cli/loop.py"}
