"""What a rule is: a function over a sample, and the record that the reference page is made from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from newsletter.checks.finding import Finding, Severity
from newsletter.checks.sample import Sample, element_text
from newsletter.css.parse import Element

MOST = 100
"""Findings of one rule that are told; who mends those will see the rest."""

Place = tuple[str, int] | None
"""A source's name and a line in it; None where only the line of the HTML part is known."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What a rule found, before it has the rule's name and hint."""

    severity: Severity
    message: str  # what happens to the reader
    place: Place = None
    at: Element | int | None = None  # an element or a line of the HTML part, for where there is no place
    hint: str = ""  # where the rule's own hint is too general


@dataclass(frozen=True, slots=True)
class Check:
    """A rule. Its name is what `check --json` prints and what silences it."""

    name: str
    run: Callable[[Sample], Iterable[Violation]]
    when: Mapping[Severity, str]  # what calls for each severity, thresholds named
    reader: str  # what happens to the reader
    hint: str  # how to mend it
    source: str  # where this is known from: an address

    def findings(self, sample: Sample) -> list[Finding]:
        """What this rule finds."""
        return [self.finding(violation) for violation in islice(self.run(sample), MOST)]

    def finding(self, violation: Violation) -> Finding:
        """A violation with the rule's name and hint."""
        source, line = violation.place or ("", line_of(violation.at))
        return Finding(self.name, violation.severity, violation.message, line, violation.hint or self.hint, source)


def place_of(sample: Sample, element: Element, *attributes: str) -> Place:
    """Where an element comes from: by the first of these attributes that is found, then by its words."""
    if not sample.sources:
        return None
    for name in attributes:
        value = (element.get(name) or "").strip()
        if not value:
            continue
        same = [other for other in sample.all(str(element.tag)) if (other.get(name) or "").strip() == value]
        rank = same.index(element)
        find = sample.sources.address if name in {"href", "src", "background"} else sample.sources.literal
        found = find(value, rank, len(same))
        if found is None and name == "alt":
            found = sample.sources.text(value, rank, len(same))
        if found:
            return found
    return place_of_text(sample, element_text(element), element)


def _place_of_class(sample: Sample, element: Element) -> Place:
    """Where the template makes the element, by its classes or those of what is right inside or around it."""
    if not sample.sources.templates:
        return None
    parent = element.getparent()
    for node in (*islice(element.iter(), 20), *(() if parent is None else (parent,))):
        names = node.get("class") if isinstance(node.tag, str) else None
        if names and (found := sample.sources.template_class(names)):
            return found
    return None


def place_of_text(sample: Sample, text: str, element: Element) -> Place:
    """Where words come from that stand in `element`."""
    if not sample.sources:
        return None
    same = [words.element for words in sample.words if text in words.text] if text else []
    rank = same.index(element) if element in same else 0
    found = sample.sources.text(text, rank, max(1, len(same))) if text else None
    return found or _place_of_class(sample, element)


def line_of(at: Element | int | None) -> int | None:
    """The line of the HTML part, from 1, where that is known."""
    if at is None or isinstance(at, int):
        return at
    line: object = at.sourceline
    return line if isinstance(line, int) else None


def shorten(text: str, most: int = 60) -> str:
    """The text on one line, cut at a word."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    return text[:most].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"


def count(number: int, one: str, many: str = "") -> str:
    """`1 image`, `3 images`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
