"""Draw the rooms and who imports whom: docs/images/house.svg, from the code itself.

Run `python docs/images/house.py` (`make docs` does). Floors and their order are import-linter's contract in
pyproject.toml, the arrows are the imports, the words are the first sentence of each room's docstring; so the picture
can't say what the code doesn't. Arrows that follow from others are left out, as are those to the ground, which all use.
tests/test_house.py draws it again and compares.
"""

import ast
import itertools
import textwrap
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "images" / "house.svg"
PACKAGE = "newsletter"

WIDTH, LEFT, RIGHT = 1080, 78, 1002
"""The picture's width; the rooms stand between LEFT and RIGHT, beside them arrows pass several floors."""
TOP, GAP, BETWEEN, PADDING = 34, 58, 26, 16
LINE, CHIP, LETTER = 18, 24, 7.3
"""Heights of a line and of a sub-room's chip, and the width of a letter in it."""
ALONE = 600
"""The width of a room that has its floor for itself."""

STYLE = """
  .card { fill: #fbfbf8; stroke: #e4e2da }
  .room { fill: #ffffff; stroke: #cfcdc4 }
  .chip { fill: #f1f0ea }
  .name { font: 600 17px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1c2b2a }
  .words { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #55605e }
  .sub { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #2c5f57 }
  .arrow { fill: none; stroke: #8b9a96; stroke-width: 1.6 }
  .head { fill: #8b9a96 }
  .stripe { fill: #2f7d6e }
  @media (prefers-color-scheme: dark) {
    .card { fill: #14191a; stroke: #2a3233 }
    .room { fill: #1d2425; stroke: #3a4547 }
    .chip { fill: #283133 }
    .name { fill: #eef3f1 }
    .words { fill: #a9b5b2 }
    .sub { fill: #8fd1c1 }
    .arrow { stroke: #71827e }
    .head { fill: #71827e }
    .stripe { fill: #4fae9b }
  }
"""


@dataclass
class Room:
    """A package right under the root (or a module there), and where it stands in the picture."""

    name: str
    words: str
    inner: list[str]
    floor: int
    x: float = 0
    y: float = 0
    width: float = 0
    lines: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    height: float = 0

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def needs(self) -> float:
        """The height that its words and chips take."""
        chips = 10 + len(self.rows) * (CHIP + 6) if self.rows else 0
        return 44 + len(self.lines) * LINE + chips


@dataclass
class Arrow:
    """One import between rooms: its feet, and the level stretches between them as (gap, from x, to x)."""

    start: Room
    end: Room
    tail: float = 0
    tip: float = 0
    levels: list[tuple[int, float, float]] = field(default_factory=list)
    heights: list[float] = field(default_factory=list)


def floors() -> list[list[str]]:
    """The rooms' names, from the top floor to the ground, as pyproject.toml has them."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(contract["layers"] for contract in linter["contracts"] if contract["type"] == "layers")
    return [[name.strip().removeprefix(f"{PACKAGE}.") for name in layer.split("|")] for layer in layers]


def imports() -> set[tuple[str, str]]:
    """Who imports whom, between rooms; not what only the type checker reads."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    pairs = {
        (importer.split(".")[1], imported.split(".")[1])
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if importer.count(".") and imported.count(".")
    }
    return {(above, below) for above, below in pairs if above != below}


def needed(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """`pairs` without those that follow from others (the transitive reduction)."""
    below: dict[str, set[str]] = {}
    for one, other in pairs:
        below.setdefault(one, set()).add(other)

    def reached(start: str, seen: set[str]) -> set[str]:
        for name in below.get(start, set()) - seen:
            seen.add(name)
            reached(name, seen)
        return seen

    return {
        (one, other)
        for one, other in pairs
        if not any(other in reached(way, {one}) for way in below[one] if way != other)
    }


def room(name: str, floor: int) -> Room:
    """The room called `name`, in its own words."""
    place = ROOT / PACKAGE / name
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    inner = sorted(path.parent.name for path in place.glob("*/__init__.py"))
    return Room(name, " ".join(docstring.split("\n\n")[0].split()), inner, floor)


def placed(rooms: Sequence[Sequence[Room]]) -> float:
    """Give each room its place; the height of the picture."""
    y: float = TOP
    for number, floor in enumerate(rooms):
        span = RIGHT - LEFT
        ground = number == len(rooms) - 1
        width = (span if ground else ALONE) if len(floor) == 1 else (span - BETWEEN * (len(floor) - 1)) / len(floor)
        x = LEFT + (span - width) / 2 if len(floor) == 1 else LEFT
        for one in floor:
            one.x, one.y, one.width = x, y, width
            one.lines = textwrap.wrap(one.words, int((width - 2 * PADDING) / 6.8))
            one.rows = chip_rows(one.inner, width - 2 * PADDING)
            x += width + BETWEEN
        for one in floor:
            one.height = max(each.needs for each in floor)
        y += floor[0].height + GAP
    return y - GAP + TOP


def chip_width(name: str) -> float:
    return len(name) * LETTER + 18


def chip_rows(names: Iterable[str], room: float) -> list[list[str]]:
    """`names` in rows of chips no wider than `room`."""
    rows: list[list[str]] = []
    left = 0.0
    for name in names:
        if not rows or left < chip_width(name):
            rows.append([])
            left = room
        rows[-1].append(name)
        left -= chip_width(name) + 8
    return rows


def routed(arrows: list[Arrow], rooms: Sequence[Sequence[Room]]) -> None:
    """Give each arrow its feet, its lanes beside the house, and its heights in the gaps between floors."""
    for one in itertools.chain(*rooms):
        spread([arrow for arrow in arrows if arrow.start is one], one, "tail")
        spread([arrow for arrow in arrows if arrow.end is one], one, "tip")
    lanes = {"left": LEFT - 20.0, "right": RIGHT + 20.0}
    for arrow in sorted(arrows, key=lambda arrow: (arrow.end.floor - arrow.start.floor, arrow.start.name)):
        first, last = arrow.start.floor, arrow.end.floor - 1
        if first == last:
            arrow.levels = [(first, arrow.tail, arrow.tip)]
            continue
        between = [one for floor in rooms[first + 1 : last + 1] for one in floor]
        if free(arrow.tip, between) and arrow.start.x < arrow.tip < arrow.start.x + arrow.start.width:
            arrow.tail = arrow.tip
        if free(arrow.tail, between):
            arrow.levels = [(last, arrow.tail, arrow.tip)]
        elif free(arrow.tip, between):
            arrow.levels = [(first, arrow.tail, arrow.tip)]
        else:
            side = "left" if arrow.tail + arrow.tip < LEFT + RIGHT else "right"
            lane = lanes[side]
            lanes[side] += -14 if side == "left" else 14
            arrow.levels = [(first, arrow.tail, lane), (last, lane, arrow.tip)]
    for gap in range(len(rooms) - 1):
        top = rooms[gap][0].y + rooms[gap][0].height
        stretches = [
            (arrow, level)
            for arrow in arrows
            for level, (number, start, end) in enumerate(arrow.levels)
            if number == gap and start != end
        ]
        for place, (arrow, level) in enumerate(untangled(stretches), 1):
            arrow.heights += [0.0] * (level + 1 - len(arrow.heights))
            arrow.heights[level] = top + 8 + (GAP - 22) * place / (len(stretches) + 1)


def free(x: float, rooms: Iterable[Room]) -> bool:
    """Does a line straight down at `x` pass all `rooms`?"""
    return not any(one.x - 8 < x < one.x + one.width + 8 for one in rooms)


def spread(arrows: list[Arrow], one: Room, foot: str) -> None:
    """Feet side by side along the room, in the order of where they lead."""
    other = "end" if foot == "tail" else "start"
    arrows.sort(key=lambda arrow: (getattr(arrow, other).middle, getattr(arrow, other).floor))
    step = min(70.0, one.width / (len(arrows) + 1))
    for number, arrow in enumerate(arrows):
        setattr(arrow, foot, one.middle + step * (number - (len(arrows) - 1) / 2))


def untangled(stretches: list[tuple[Arrow, int]]) -> list[tuple[Arrow, int]]:
    """The order from top to bottom in which the stretches cross least."""

    def crossings(order: tuple[tuple[Arrow, int], ...]) -> int:
        count = 0
        for (one, a), (other, b) in itertools.combinations(order, 2):  # `one` is above `other`
            _, start, end = one.levels[a]
            _, begin, stop = other.levels[b]
            low, high = sorted((start, end))
            count += low < begin < high  # the lower one comes down through the upper one
            low, high = sorted((begin, stop))
            count += low < end < high  # the upper one goes down through the lower one
        return count

    if len(stretches) > 7:
        return stretches
    return list(min(itertools.permutations(stretches), key=crossings))


def path(arrow: Arrow) -> str:
    """The arrow as SVG: down and across with rounded corners."""
    points = [(arrow.tail, arrow.start.y + arrow.start.height)]
    for (_, start, end), height in itertools.zip_longest(arrow.levels, arrow.heights, fillvalue=0.0):
        if start != end:
            points += [(start, height), (end, height)]
    points.append((arrow.tip, arrow.end.y - 7))
    drawn = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(9.0, distance(before, corner) / 2, distance(corner, after) / 2)
        (ax, ay), (bx, by) = toward(corner, before, radius), toward(corner, after, radius)
        drawn += f"L{ax:.1f} {ay:.1f}Q{corner[0]:.1f} {corner[1]:.1f} {bx:.1f} {by:.1f}"
    return drawn + f"L{points[-1][0]:.1f} {points[-1][1]:.1f}"


def distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def toward(start: tuple[float, float], end: tuple[float, float], way: float) -> tuple[float, float]:
    """The point `way` from `start` in the direction of `end`."""
    share = way / (distance(start, end) or 1)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def arranged(names: Sequence[Sequence[str]], pairs: Iterable[tuple[str, str]]) -> list[list[Room]]:
    """The floors, each in the order in which arrows are shortest."""

    def length(order: Sequence[Sequence[str]]) -> float:
        at = {name: (number + 0.5) / len(floor) for floor in order for number, name in enumerate(floor)}
        return sum(abs(at[one] - at[other]) for one, other in pairs)

    pairs = sorted(pairs)  # sums of fractions depend on the order
    best = min(itertools.product(*(itertools.permutations(floor) for floor in names)), key=length)
    return [[room(name, number) for name in floor] for number, floor in enumerate(best)]


def draw() -> str:
    """The whole picture, as SVG."""
    names = floors()
    ground = names[-1]
    known = set(itertools.chain(*names))
    pairs = needed({(one, other) for one, other in imports() if {one, other} <= known and other not in ground})
    rooms = arranged(names, pairs)
    height = placed(rooms)
    of = {one.name: one for one in itertools.chain(*rooms)}
    arrows = [Arrow(of[one], of[other]) for one, other in sorted(pairs)]
    routed(arrows, rooms)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img" aria-labelledby="title">',
        '<title id="title">The rooms of newsletter, floor over floor; an arrow leads from who imports to what is '
        "imported</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="5.5" markerHeight="5.5" '
        'orient="auto"><path class="head" d="M0 0L8 4L0 8Z"/></marker></defs>',
        f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="14"/>',
        *(f'<path class="arrow" marker-end="url(#head)" d="{path(arrow)}"/>' for arrow in arrows),
        *(box(one) for one in of.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def box(one: Room) -> str:
    """A room with its name, its words and its sub-rooms."""
    x, y = one.x + PADDING, one.y + 28
    parts = [
        f'<rect class="room" x="{one.x:.1f}" y="{one.y:.1f}" width="{one.width:.1f}" height="{one.height:.1f}" '
        'rx="8"/>',
        f'<rect class="stripe" x="{one.x:.1f}" y="{one.y + 8:.1f}" width="3" height="{one.height - 16:.1f}" rx="1.5"/>',
        f'<text class="name" x="{x:.1f}" y="{y:.1f}">{escape(one.name)}</text>',
    ]
    for line in one.lines:
        y += LINE + 1
        parts.append(f'<text class="words" x="{x:.1f}" y="{y:.1f}">{escape(line)}</text>')
    y += 14
    for row in one.rows:
        left = x
        for name in row:
            wide = chip_width(name)
            parts.append(
                f'<rect class="chip" x="{left:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{CHIP}" rx="6"/>'
                f'<text class="sub" x="{left + 9:.1f}" y="{y + 16:.1f}">{escape(name)}</text>'
            )
            left += wide + 8
        y += CHIP + 6
    return "\n".join(parts)


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
