"""What is read: the standards' examples, our own inputs and posts, and Markdown made at random."""

import gzip
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from fidelity.random_markdown import MARKDOWN

ROOT = Path(__file__).parent.parent
OWN = ROOT / "fidelity/inputs"
GFM = Path("/usr/share/doc/cmark-gfm/spec.txt.gz")
_EXAMPLE = re.compile(r"^`{32} example[^\n]*\n(.*?)^\.\n(.*?)^`{32}$", re.MULTILINE | re.DOTALL)


def own() -> dict[str, str]:
    """Our own small inputs and posts, by name."""
    files = [*sorted(OWN.glob("*.md")), *sorted((ROOT / "posts").glob("*.md"))]
    return {path.name: _body(path.read_text(encoding="utf-8")) for path in files}


def standards(folder: Path) -> list[str]:
    """The examples of CommonMark (from npm, installed in `folder`) and of GFM (Debian's cmark-gfm brings them)."""
    found: dict[str, None] = {}
    subprocess.run(["npm", "install", "--silent", "--no-save", "commonmark-spec@0.31"], cwd=folder, check=True)
    for path in (folder / "node_modules/commonmark-spec/spec.txt", GFM):
        if path.exists():
            octets = path.read_bytes()
            text = (gzip.decompress(octets) if path.suffix == ".gz" else octets).decode()
            found.update(dict.fromkeys(_examples(text)))
    return list(found)


def random(count: int, start: int) -> list[str]:
    """`count` texts from the seed `start` on: the same for the same seed."""
    found: dict[str, None] = {}

    @seed(start)
    @settings(
        max_examples=count, phases=[Phase.generate], database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(MARKDOWN)
    def collect(source: str) -> None:
        found[source] = None

    collect()
    return list(found)


def _examples(text: str) -> Iterator[str]:
    for match in _EXAMPLE.finditer(text):
        yield match[1].replace("→", "\t")


def _body(text: str) -> str:
    """A post without its front matter."""
    return re.sub(r"\A---\n.*?\n---\n", "", text, count=1, flags=re.DOTALL)
