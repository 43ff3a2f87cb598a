"""The real generators: kramdown as Jekyll runs it, Hugo's goldmark, cmark-gfm. Each takes Markdown and gives HTML."""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
_CONFIG = """baseURL = "https://blog.example.org/"
disableKinds = ["home", "section", "taxonomy", "term", "RSS", "sitemap", "robotsTXT", "404"]
[markup.goldmark.renderer]
unsafe = true
[markup.highlight]
codeFences = false
"""


class KramdownOracle:
    """One process of Ruby that answers a line for a line."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            ["ruby", str(HERE / "kramdown_server.rb")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
            stderr=None, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip

    def __call__(self, sources: Sequence[str]) -> list[str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        found = []
        for source in sources:
            self.process.stdin.write(json.dumps({"source": source}) + "\n")
            self.process.stdin.flush()
            found.append(json.loads(self.process.stdout.readline()))
        return found

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


class HugoOracle:
    """A site of as many posts as are asked for, built once, by Hugo's `command`."""

    def __init__(self, command: str = "hugo") -> None:
        self.command = command

    @property
    def version(self) -> str:
        """Hugo and its number."""
        told = subprocess.run([self.command, "version"], capture_output=True, text=True, check=True).stdout
        return "hugo " + told.split()[1].lstrip("v").partition("-")[0]

    def __call__(self, sources: Sequence[str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "hugo.toml").write_text(_CONFIG)
            (root / "layouts/_default").mkdir(parents=True)
            (root / "layouts/_default/single.html").write_text("{{ .Content }}")
            (root / "content/posts").mkdir(parents=True)
            for number, source in enumerate(sources):
                (root / f"content/posts/p{number}.md").write_text(
                    "---\ntitle: t\n---\n" + source, encoding="utf-8", newline=""
                )
            built = subprocess.run([self.command, "--quiet"], cwd=root, capture_output=True, text=True)
            if built.returncode:
                raise RuntimeError(built.stderr)
            pages = [root / f"public/posts/p{number}/index.html" for number in range(len(sources))]
            return [page.read_text(encoding="utf-8") if page.exists() else "" for page in pages]

    def close(self) -> None:
        """Nothing stays."""


class CmarkOracle:
    """cmark-gfm with GitHub's extensions."""

    _COMMAND = (
        "cmark-gfm", "--unsafe", "--strikethrough-double-tilde", "-e", "table", "-e", "strikethrough",
        "-e", "autolink", "-e", "tasklist", "-e", "footnotes",
    )  # fmt: skip

    def __call__(self, sources: Sequence[str]) -> list[str]:
        return [
            subprocess.run(self._COMMAND, input=source.encode(), capture_output=True, check=True).stdout.decode()
            for source in sources
        ]

    def close(self) -> None:
        """Nothing stays."""
