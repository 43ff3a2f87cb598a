"""Findings for programs: JSON, GitHub's annotations, SARIF, JUnit.

Paths are from the root of the git repository, as such programs want them; without one, from the newsletter's. Sources:
GitHub's "workflow commands", SARIF 2.1.0 (OASIS), and the JUnit XML that GitLab and Jenkins read.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from newsletter import __version__
from newsletter.checks.finding import Finding
from newsletter.cli.commit import repository_of


class CheckFormat(StrEnum):
    """How to print findings."""

    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"
    junit = "junit"


@dataclass(frozen=True, slots=True)
class Located:
    """A finding, where it stands and in which post it was found."""

    finding: Finding
    post: str  # from the repository's root
    file: str  # the post's, or a template's; the post's where that is not known

    @property
    def text(self) -> str:
        return f"{self.finding.message}. {self.finding.hint}" if self.finding.hint else self.finding.message


REFUSED = "compose"
"""The rule's name for a post of which there is no message to check."""


def locate(findings: Sequence[Finding], post: Path, root: Path) -> list[Located]:
    """The findings of the post at `post`, of the newsletter in `root`."""
    shown = from_repository(post, root)
    return [Located(one, shown, from_repository(one.source, root) if one.source else shown) for one in findings]


def from_repository(path: Path | str, root: Path) -> str:
    """`path`, absolute or as seen from the working directory or the newsletter, as seen from the repository's root."""
    top = repository_of(root) or root
    places = [Path(path).absolute(), root / path]
    found = next((place for place in places if place.exists()), places[0]).resolve()
    return found.relative_to(top.resolve()).as_posix() if found.is_relative_to(top.resolve()) else str(path)


def as_github(found: Sequence[Located]) -> str:
    """A workflow command a finding: `::error file=posts/hello.md,line=3,title=image-alt::no alt text`."""
    words = {"error": "error", "warning": "warning", "info": "notice"}
    lines = []
    for one in found:
        line = f",line={one.finding.line}" if one.finding.line else ""
        where = f"file={_property(one.file)}{line},title={_property(one.finding.rule)}"
        lines.append(f"::{words[one.finding.severity]} {where}::{_data(one.text)}")
    return "\n".join(lines)


def as_sarif(found: Sequence[Located]) -> str:
    """One SARIF run; the rules are those that speak in it."""
    levels = {"error": "error", "warning": "warning", "info": "note"}
    rules = sorted({one.finding.rule for one in found})
    results = [
        {
            "ruleId": one.finding.rule,
            "ruleIndex": rules.index(one.finding.rule),
            "level": levels[one.finding.severity],
            "message": {"text": one.text},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(one.file), "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": one.finding.line or 1},
                    }
                }
            ],
        }
        for one in found
    ]
    home = "https://github.com/newsletter-press/newsletter"
    page = f"{home}/blob/main/docs/reference/checks.md"
    driver = {
        "name": "newsletter",
        "version": __version__,
        "informationUri": home,
        "rules": [{"id": rule, "helpUri": f"{page}#{rule}"} for rule in rules],
    }
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2)


def as_junit(found: Sequence[Located], posts: Sequence[str], *, strict: bool) -> str:
    """A test case a finding, in a suite a post; errors fail, with `strict` warnings too."""
    from xml.sax.saxutils import quoteattr

    fails = {"error", "warning"} if strict else {"error"}
    suites, failed = [], 0
    for post in posts:
        own = [one for one in found if one.post == post]
        bad = sum(one.finding.severity in fails for one in own)
        failed += bad
        cases = "".join(_case(one, fails) for one in own) or f'<testcase classname={quoteattr(post)} name="checks"/>'
        counts = f'tests="{max(len(own), 1)}" failures="{bad}" errors="0"'
        suites.append(f"<testsuite name={quoteattr(post)} {counts}>{cases}</testsuite>")
    count = sum(max(sum(one.post == post for one in found), 1) for post in posts)
    head = f'<testsuites name="newsletter check" tests="{count}" failures="{failed}" errors="0">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n' + "\n".join(suites) + "\n</testsuites>"


def as_rows(found: Sequence[Located], *, several: bool) -> list[dict[str, object]]:
    """The findings as `--json` prints them; with several posts each says which."""
    rows = []
    for one in found:
        source = {"source": one.file if one.finding.source else ""}
        rows.append({**asdict(one.finding), **source, **({"post": one.post} if several else {})})
    return rows


def _case(one: Located, fails: set[str]) -> str:
    from xml.sax.saxutils import escape, quoteattr

    place = f"{one.file}:{one.finding.line}" if one.finding.line else one.file
    head = f"<testcase classname={quoteattr(one.post)} name={quoteattr(f'{one.finding.rule} {place}')}"
    text = escape(_printable(f"{one.finding.severity}: {place}: {one.text}"))
    if one.finding.severity in fails:
        said = f"type={quoteattr(one.finding.severity)} message={quoteattr(_printable(one.finding.message))}"
        return f"{head}><failure {said}>{text}</failure></testcase>"
    return f"{head}><system-out>{text}</system-out></testcase>"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path)


def _printable(text: str) -> str:
    """`text` without what XML 1.0 has no place for."""
    return "".join(c for c in text if c in "\t\n" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff")
