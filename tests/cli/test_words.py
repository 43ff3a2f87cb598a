"""What is typed wrong gets one line with the nearest right word, and changes nothing."""

from pathlib import Path

import pytest

from tests.cli.conftest import POST, Call


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file but those that are ours and never in git."""
    ours = {".newsletter", "newsletter.db", "newsletter.db-wal", "newsletter.db-shm", "newsletter.db-intents"}
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in found.items() if name.parts[0] not in ours}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sned hello", "no such command 'sned'; did you mean 'send'?"),
        ("statu", "no such command 'statu'; did you mean 'status'?"),
        ("subscriber check", "no such command 'subscriber'; did you mean 'subscribers'?"),
        ("subscribers chek", "no such command 'chek'; did you mean 'check'?"),
        ("wat", "no such command 'wat'; see `newsletter --help`"),
        ("--conifg x status", "no such option --conifg; did you mean --config?"),
        ("--config", "option '--config' requires an argument; see `newsletter --help`"),
        ("--config check send hello", "check: can't be read: No such file or directory; name a file with --config"),
        ("--config posts status", "posts: can't be read: Is a directory; name a file with --config"),
        ("send hello --dry", "no such option --dry; did you mean --dry-run?"),
        ("send hello --bogus", "no such option --bogus; see `newsletter send --help`"),
        ("send hello --to", "option '--to' requires an argument; see `newsletter send --help`"),
        ("send hello --limit x", "--limit: a number is needed; see `newsletter send --help`"),
        ("send hello --limit 0", "--limit: 1 is the least; see `newsletter send --help`"),
        ("send hello --connections 1001", "--connections: 1000 is the most; see `newsletter send --help`"),
        ("send hello world", "what is 'world' for? A text with spaces needs quotes; see `newsletter send --help`"),
        ("send hello --again a/b", "--again 'a/b' is no name; use letters, digits and hyphens, such as hello-2"),
        ("send hello --again=", "--again '' is no name; use letters, digits and hyphens, such as hello-2"),
        ("send hello --to nobody", "--to: no '@' in 'nobody'; give an address such as you@example.org"),
        ("send hello --smtp=", "'' is no relay; use smtp://user@host:587 or smtps://user@host:465"),
        ("send helo", "no post 'helo'; did you mean 'hello'?"),
        ("send wat", "no post 'wat'; the newest is posts/2026-05-04-hello.md"),
        ("send ello", "no post 'ello'; did you mean 'hello'?"),
        ("send posts", "posts: is a folder; name a Markdown file in it"),
        ("send subscribers.csv --yes", "subscribers.csv: is no Markdown file; name a post, such as posts/hello.md"),
        ("send newsletter.toml --yes", "newsletter.toml: is no Markdown file; name a post, such as posts/hello.md"),
        ("send /dev/null --yes", "/dev/null: is no Markdown file; name a post, such as posts/hello.md"),
        ("render hello --format pdf", "--format: 'pdf' is not one of 'html', 'text', 'eml'; see `newsletter render"),
        ("render hello -o posts", "posts: can't be written: Is a directory; name another file with -o"),
        ("render hello -o /dev/full", "/dev/full: can't be written: No space left on device; name another file"),
        ("render", "missing argument 'POST'; see `newsletter render --help`"),
        ("preview nothing --no-open", "no post 'nothing'; the newest is posts/2026-05-04-hello.md"),
        ("preview --port -1 --no-open", "--port: 0 is the least; see `newsletter preview --help`"),
        ("inbox --smtp-port 99999 --no-open", "--smtp-port: 65535 is the most; see `newsletter inbox --help`"),
        ("inbox --fault x --no-open", "'x' is no fault; write STEP=ACTION[:WHEN], such as rcpt=451:10%"),
        ("new !!!", "no letters in the title '!!!'; give the post a title"),
        ("init newsletter.toml", "newsletter.toml: is a file; name a folder"),
        ("init", "newsletter.toml: is there already; edit it, or name another folder"),
    ],
)  # fmt: skip
def test_a_slip_gets_one_line_with_the_way_on(folder: Path, call: Call, line: str, said: str) -> None:
    before = snapshot(folder)
    code, out, err = call(*line.split())
    assert code == 2
    assert not out
    assert err.startswith(f"newsletter: {said}"), err
    assert len(err.splitlines()) == 1
    assert snapshot(folder) == before


def test_a_group_without_a_command_shows_what_there_is(call: Call) -> None:
    code, out, err = call("subscribers")
    assert (code, err) == (0, "")
    assert "Read the list as a send would" in out


def test_a_post_is_found_by_its_slug_wherever_that_is_written(folder: Path, call: Call) -> None:
    (folder / "posts" / "2026-06-01-june.md").write_text(POST.replace("title:", "slug: oaks\ntitle:", 1))
    (folder / "posts" / "say-hello").mkdir()
    (folder / "posts" / "say-hello" / "index.md").write_text(POST.replace("title: Hello", "title: A bundle"))
    (folder / "hello").mkdir()  # of the same name as the post, and none
    for typed, subject in [
        ("hello", "Hello"),
        ("2026-05-04-hello", "Hello"),
        ("oaks", "Hello"),
        ("say-hello", "A bundle"),
        ("posts/say-hello", "A bundle"),
        ("posts/2026-05-04-hello.md", "Hello"),
    ]:
        code, out, err = call("render", typed, "--format", "text")
        assert code == 0, err
        assert f"\n{subject}\n" in out


def test_a_long_title_makes_a_name_that_a_disk_takes(folder: Path, call: Call) -> None:
    code, out, err = call("new", "Word " * 100)
    assert code == 0, err
    assert len(Path(out.strip()).name) < 100
    assert (folder / out.strip()).read_text().count("Word") == 100
