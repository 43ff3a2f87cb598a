"""Beginning: `init`, `new`, the help."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from newsletter.site.slug import titleize
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
    assert (
        "in .gitignore, add:\n  subscribers.csv\n  newsletter.db-wal\n  newsletter.db-shm\n"
        "  newsletter.db-intents*\n  .newsletter/\n" in begun.stderr
    )
    again = run("init")
    assert again.returncode == 2
    assert "newsletter.toml: is there already" in again.stderr


def test_init_says_what_it_wrote_and_then_what_comes_next_a_command_a_line(run: Run) -> None:
    said = run("init", "my letter").stdout.splitlines()
    assert "`newsletter send hello`" in said[0]
    after = said[said.index("Next:") :]
    assert not [line for line in after if line.startswith("wrote ")]
    assert [line.strip().split("  ")[0] for line in after[1:]] == [
        "cd 'my letter'", "put your name, your address and your relay into newsletter.toml", "newsletter preview",
        "newsletter send hello --dry-run", "newsletter send hello",
    ]  # fmt: skip
    assert max(map(len, said)) <= 80


def test_init_leaves_the_relay_and_the_web_site_empty_and_a_live_send_names_what_is_missing(
    tmp_path: Path, run: Run
) -> None:
    assert run("init").returncode == 0
    written = tomllib.loads((tmp_path / "newsletter.toml").read_text())
    assert written["smtp"]["url"] == written["newsletter"]["url"] == ""
    assert run("send", "hello", "--dry-run").returncode == 0
    lawful = {
        "NEWSLETTER_NEWSLETTER__TITLE": "The Long View",
        "NEWSLETTER_NEWSLETTER__AUTHOR": "Ada <ada@example.org>",
        "NEWSLETTER_UNSUBSCRIBE__MAILTO": "u@example.org",
        "NEWSLETTER_NEWSLETTER__POSTAL_ADDRESS": "1 Main Street",
    }
    for arguments in (("--yes",), ("--to", "ada@example.org")):
        live = run("send", "hello", *arguments, **lawful)
        assert live.returncode == 2
        assert "newsletter.toml:15: no relay; set [smtp] url" in live.stderr


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def test_init_keeps_addresses_out_of_a_repository_and_says_so(tmp_path: Path, run: Run) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_bytes(b"*.log\r\n*.db")
    begun = run("init")
    assert begun.returncode == 0
    assert ".gitignore keeps subscribers.csv, .newsletter/ out of git" in begun.stdout
    assert (tmp_path / ".gitignore").read_bytes() == (
        b"*.log\r\n*.db\r\nsubscribers.csv\r\nnewsletter.db-wal\r\nnewsletter.db-shm\r\n"
        b"newsletter.db-intents*\r\n.newsletter/\r\n"
    )
    assert run("send", "hello", "--dry-run").returncode == 0
    (tmp_path / "newsletter.db-wal").touch()
    assert git(tmp_path, "ls-files", "--others", "--exclude-standard").split() == [
        ".gitignore", "newsletter.toml", next((tmp_path / "posts").iterdir()).relative_to(tmp_path).as_posix(),
    ]  # fmt: skip


def test_init_in_a_folder_of_a_repository_ignores_there_and_names_what_is_tracked_already(
    tmp_path: Path, run: Run
) -> None:
    git(tmp_path, "init", "-q")
    letter = tmp_path / "letter"
    letter.mkdir()
    (letter / "subscribers.csv").write_text("email\nada@example.org\n")
    git(tmp_path, "add", ".")
    begun = run("init", "letter")
    assert "`git rm --cached subscribers.csv`" in begun.stderr
    assert "subscribers.csv\n" in (letter / ".gitignore").read_text()
    assert not (tmp_path / ".gitignore").exists()
    once = {path: path.read_bytes() for path in letter.rglob("*") if path.is_file()}
    assert run("init", "letter").returncode == 2
    assert {path: path.read_bytes() for path in letter.rglob("*") if path.is_file()} == once


@pytest.mark.parametrize(
    ("exclude", "said"),
    [
        ("", ["newsletter.db, newsletter.db-wal, newsletter.db-shm, newsletter.db-intents*]"]),
        ("exclude: [Gemfile]\n", ["`exclude: [...]` on line 2: newsletter.toml, subscribers.csv, newsletter.db"]),
        (
            "exclude:\n    - Gemfile\n    - '*.toml'\n",
            ["`exclude:` on line 2:", "    - subscribers.csv", "    - newsletter.db"],
        ),
        ("exclude:\n- Gemfile\n- newsletter.*\n", ["`exclude:` on line 2:\n  - subscribers.csv\n"]),
        ("exclude: [newsletter.toml, /subscribers.csv, 'newsletter.db*']\n", []),
    ],
)
def test_init_says_which_lines_a_jekyll_sites_exclude_lacks(
    tmp_path: Path, run: Run, exclude: str, said: list[str]
) -> None:
    (tmp_path / "_config.yml").write_text("title: A Blog\n" + exclude)
    begun = run("init")
    assert begun.returncode == 0, begun.stderr
    for text in said:
        assert text in begun.stderr
    assert ("Jekyll publishes" in begun.stderr) is bool(said)
    assert (tmp_path / "_config.yml").read_text() == "title: A Blog\n" + exclude


@pytest.mark.parametrize("layout", ["post", "letter"])
def test_a_newsletter_without_a_web_site_has_no_link_to_one_and_no_finding(
    tmp_path: Path, run: Run, layout: str
) -> None:
    assert run("init").returncode == 0
    config = (tmp_path / "newsletter.toml").read_text()
    config = config.replace('mailto = ""', 'mailto = "leave@example.org"').replace(
        'language = "en"', f'layout = "{layout}"'
    )
    config = config.replace('postal_address = ""', 'postal_address = "1 Main Street, Springfield"')
    (tmp_path / "newsletter.toml").write_text(config)
    checked = run("check", "hello", "--json")
    assert [finding for finding in json.loads(checked.stdout) if finding["severity"] != "info"] == []
    html = run("render", "hello").stdout
    assert re.findall(r'href="([^"]*)"', html) == re.findall(r'href="(mailto:leave@example.org[^"]*)"', html)
    message = run("render", "hello", "--format", "eml").stdout
    assert f"\nList-Id: {titleize(tmp_path.name)} <example.org>\n" in message
    assert "\nList-Unsubscribe: <mailto:leave@example.org?" in message


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


def test_the_version_is_said_without_a_command(run: Run) -> None:
    said = run("--version")
    assert (said.returncode, said.stderr) == (0, "")
    assert re.fullmatch(r"newsletter \d+\.\d+\.\d+\S*\n", said.stdout)


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
