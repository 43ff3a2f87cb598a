"""Beginning: `init`, `new`, the help."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.cli.conftest import Run

ROOT = Path(__file__).parent.parent.parent


def test_a_new_folder_can_be_rendered_and_rehearsed_at_once(tmp_path: Path, run: Run) -> None:
    made = run("init", "letter")
    assert made.returncode == 0, made.stderr
    letter = tmp_path / "letter"
    assert {path.name for path in letter.iterdir()} == {"newsletter.toml", "subscribers.csv", "posts", ".gitignore"}
    assert "Hello" in run("render", "hello", "--format", "text", cwd=letter).stdout
    rehearsed = run("send", "hello", "--dry-run", cwd=letter)
    assert rehearsed.returncode == 0, rehearsed.stderr
    assert "2 accepted" in rehearsed.stdout


def test_init_changes_nothing_that_is_there(tmp_path: Path, run: Run) -> None:
    (tmp_path / "subscribers.csv").write_text("email\nmine@example.org\n")
    (tmp_path / ".gitignore").write_text("*.log\nnewsletter.db\n")
    begun = run("init")
    assert begun.returncode == 0
    assert (tmp_path / "subscribers.csv").read_text() == "email\nmine@example.org\n"
    assert (tmp_path / ".gitignore").read_text() == "*.log\nnewsletter.db\n"
    assert "in .gitignore, add:\n  .newsletter/\n  newsletter.db-*\n" in begun.stderr
    again = run("init")
    assert again.returncode == 2
    assert "newsletter.toml: is there already" in again.stderr


def test_init_in_a_jekyll_site_reads_its_config_and_leaves_its_files_alone(tmp_path: Path, run: Run) -> None:
    config = 'title: A Blog\nurl: "https://blog.example.org"\nbaseurl: ""\npermalink: /:title/\nauthor: ada\n'
    (tmp_path / "_config.yml").write_text(config)
    (tmp_path / "_posts").mkdir()
    post = tmp_path / "_posts" / "2026-01-02-first.md"
    post.write_text("---\ntitle: First\nauthor: ada\n---\nSee [this](/about/).\n")
    (tmp_path / "_data").mkdir()
    (tmp_path / "_data" / "authors.yml").write_text("ada:\n  name: Ada Moreau\n")
    done = run("init")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "_config.yml").read_text() == config
    assert [path.name for path in (tmp_path / "_posts").iterdir()] == ["2026-01-02-first.md"]
    written = tomllib.loads((tmp_path / "newsletter.toml").read_text())
    assert written["newsletter"]["title"] == "A Blog"
    assert written["newsletter"]["url"] == "https://blog.example.org"
    assert written["posts"] == {"dir": "_posts", "permalink": "/:title/"}
    html = run("render", "first").stdout
    assert "https://blog.example.org/about/" in html
    assert "https://blog.example.org/first/" in html
    assert "Ada Moreau" in html


def test_a_sites_own_odd_values_make_a_config_that_can_be_read(tmp_path: Path, run: Run) -> None:
    (tmp_path / "_posts").mkdir()
    (tmp_path / "_posts" / "2026-01-02-first.md").write_text("---\ntitle: First\n---\nWords.\n")
    (tmp_path / "_config.yml").write_text(
        'title: "A \\"great\\" blog"\nurl: blog.example.org\nlang: en_US\n'
        'author: {name: "Moreau, Ada", email: ada@example.org}\n'
    )
    assert run("init").returncode == 0
    written = tomllib.loads((tmp_path / "newsletter.toml").read_text())["newsletter"]
    assert written["url"] == "https://blog.example.org"
    assert written["language"] == "en-US"
    assert written["author"] == '"Moreau, Ada" <ada@example.org>'
    done = run("render", "first", "--format", "eml")
    assert done.returncode == 0, done.stderr
    assert 'From: "Moreau, Ada" <ada@example.org>' in done.stdout


@pytest.mark.parametrize(
    "title", ["What the river knows", 'Ada\'s "last" note: a #1 story', "Über alles Mögliche", "no"]
)
def test_a_new_post_has_its_title_and_can_be_rendered(folder: Path, run: Run, title: str) -> None:
    done = run("new", title)
    assert done.returncode == 0, done.stderr
    path = done.stdout.strip()
    (folder / path).write_text((folder / path).read_text() + "Some words.\n")
    text = run("render", path, "--format", "text")
    assert text.returncode == 0, text.stderr
    assert run("new", title).returncode == 2


def test_the_help_kept_as_text_is_the_help_of_the_commands() -> None:
    """Every generated page is what `make docs` would write."""
    code = "import sys; sys.path.insert(0, 'docs'); import generate; " + (
        "print([str(p) for p, t in generate.pages().items() if not p.exists() or p.read_text() != t])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_answers_help_with_an_example(run: Run) -> None:
    from newsletter.cli.app import COMMANDS

    assert (ROOT / "newsletter/cli/help.txt").read_text() == run("--help").stdout
    for command in COMMANDS:
        done = run(command, "--help")
        assert done.returncode == 0
        assert f"newsletter {command}" in done.stdout or command == "subscribers"


def test_the_documentation_names_every_command_and_option(run: Run) -> None:
    import typer

    from newsletter.cli.app import build_app

    reference = (ROOT / "docs/reference/commands.md").read_text()
    for name, command in typer.main.get_command(build_app()).commands.items():  # type: ignore[attr-defined]
        assert f"## newsletter {name}" in reference
        for parameter in command.params:
            for option in parameter.opts:
                assert option in reference or not option.startswith("-"), (name, option)
