"""The code blocks of a Markdown page, in order: fenced ones by their language, and indented ones."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Block:
    """A block of code as it stands in a page."""

    line: int
    language: str  # empty: indented, or fenced without a word
    text: str

    @property
    def commands(self) -> list[str]:
        """What is typed into a shell, comments taken off; nothing where it is no shell's."""
        lines = self.text.splitlines()
        if self.language == "console":
            return [_typed(line[2:]) for line in lines if line.startswith("$ ")]
        if self.language not in {"", "sh", "bash"}:
            return []
        joined = re.sub(r"\\\n\s*", "", self.text).splitlines()
        typed = [_typed(line) for line in joined if line.strip() and not line.lstrip().startswith("#")]
        return typed if (typed and typed[0].split()[0] in PROGRAMS) or self.language else []

    @property
    def printed(self) -> list[str]:
        """What a console block says that is printed."""
        return [line for line in self.text.splitlines() if line and not line.startswith("$ ")]


PROGRAMS = {"newsletter", "cd", "export", "uv", "pipx", "pip", "python", "python3", "sh", "git", "some-filter"}


def _typed(line: str) -> str:
    return re.sub(r"\s{2,}#.*", "", line).strip()


def blocks(page: Path) -> list[Block]:
    """Every block of the page."""
    lines = page.read_text(encoding="utf-8").split("\n")
    found, number = [], 0
    while number < len(lines):
        line = lines[number]
        if fence := re.match(r"( *)(```+)(\w*)", line):
            end = next(n for n in range(number + 1, len(lines)) if lines[n].strip() == fence[2])
            text = "\n".join(one.removeprefix(fence[1]) for one in lines[number + 1 : end])
            found.append(Block(number + 1, fence[3], text))
            number = end + 1
        elif line.startswith("    ") and not (number and lines[number - 1].strip()):
            end = number
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            found.append(Block(number + 1, "", "\n".join(one[4:] for one in lines[number:end]).rstrip()))
            number = end
        else:
            number += 1
    return found
