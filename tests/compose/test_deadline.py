"""Composing ends, whatever the post is made of, and says where it was."""

import re
import resource
import sys
import threading
import time
from pathlib import Path

import pytest

from newsletter.bounds import Overtime, bounded
from newsletter.compose import deadline as bound
from newsletter.compose.composer import Composer
from newsletter.compose.html import inline_css as css
from newsletter.compose.liquid import render as liquid
from newsletter.compose.markdown import highlight as code
from newsletter.compose.templating.environment import Rendering
from newsletter.config.settings import load_config
from newsletter.errors import NewsletterError

SHORT = 0.3
"""Seconds that a post has in these tests."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What composing imports first takes its time."""
    made, path = composer(tmp_path_factory.mktemp("first"))
    made.compose(made.read(path))


@pytest.fixture(autouse=True)
def short(imported: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bound, "SECONDS", SHORT)


def spin(*_: object, **__: object) -> str:
    """Python that never ends, and lets no ordinary exception through."""
    while True:
        try:
            time.process_time()
        except Exception:
            continue


def match_badly(*_: object) -> bool:
    """A pattern that never ends."""
    return bool(re.match(r"(a|a)*b", "a" * 60))


POST = "---\ntitle: Long\nlayout: post\n---\n\nFirst.\n\n```python\nx = 1\n```\n"


def composer(folder: Path, text: str = POST, *, site: str = "") -> tuple[Composer, Path]:
    (folder / "newsletter.toml").write_text('[newsletter]\ntitle = "T"\nauthor = "Ada <ada@example.org>"\n')
    if site:
        (folder / site).write_text("title: T\n")
    path = folder / "posts" / "long.md"
    path.parent.mkdir()
    path.write_text(text)
    return Composer(load_config(folder / "newsletter.toml")), path


def said(made: Composer, path: Path) -> str:
    """What refuses the post; the time is given back afterwards."""
    with pytest.raises(NewsletterError) as refused:
        made.compose(made.read(path))
    return str(refused.value).removeprefix(f"{path}:")


@pytest.mark.parametrize("stuck", [spin, match_badly])
def test_code_that_its_lexer_never_ends_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stuck: object
) -> None:
    made, path = composer(tmp_path)
    monkeypatch.setattr(code, "_lexer", stuck)
    assert said(made, path).startswith("8: its python code takes too long, over 0.3 seconds")


@pytest.mark.parametrize(
    ("where", "name", "words"),
    [
        (Rendering, "template", "the template post.html takes too long"),
        (css, "_inline", "the CSS of its message takes too long"),
    ],
)
def test_a_stage_that_never_ends_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, name: str, words: str
) -> None:
    made, path = composer(tmp_path)
    monkeypatch.setattr(where, name, spin)
    assert words in said(made, path)


def test_what_takes_too_much_memory_is_named_and_the_limit_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, path = composer(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_AS)
    with monkeypatch.context() as patched:
        patched.setattr(css, "_inline", lambda *_, **__: "x" * 10**10)
        assert "the CSS of its message takes too much memory" in said(made, path)
    bomb = "{{ ('x' * 90000) | replace('x', 'x' * 90000) }}"
    path.write_text(POST.replace("title: Long", "title: Long\npersonalize: true").replace("First.", bomb))
    assert "posts/long.md:7: takes too much memory" in said(made, path)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_liquid_that_never_ends_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, path = composer(tmp_path, POST.replace("First.", "{{ site.title }}"), site="_config.yml")
    monkeypatch.setattr(liquid, "_page_drop", spin)
    assert "its Liquid takes too long" in said(made, path)


def test_in_another_thread_it_ends_too_and_the_thread_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, path = composer(tmp_path)
    found: list[str] = []

    def work() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(code, "_lexer", spin)
            found.append(said(made, path))
        found.append(made.compose(made.read(path)).issue.id)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0].startswith("8: its python code takes too long")
    assert found[1] == "long"


def test_a_post_in_time_leaves_no_timer_behind(tmp_path: Path) -> None:
    made, path = composer(tmp_path)
    assert made.compose(made.read(path)).issue.id == "long"
    until = time.process_time() + 2 * SHORT
    while time.process_time() < until:
        pass


def test_time_that_ends_with_the_work_is_over_there_or_not_at_all() -> None:
    """Overtime that was put into a thread at the last moment must not come later, under a tracer neither."""
    found: list[str] = []

    def work(seconds: float) -> None:
        sys.settrace(lambda *_: None)  # CPython 3.11 hangs in a thread whose asynchronous exception was taken back
        try:
            with bounded(0.02):
                until = time.thread_time() + seconds
                while time.thread_time() < until:
                    pass
            found.append("done")
        except Overtime:
            found.append("over")
        sum(range(100_000))

    for seconds in (0, 0.02, 0.025, 0.03, 0.032, 0.034, 0.036, 0.04, 0.5):
        thread = threading.Thread(target=work, args=(seconds,), daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    assert len(found) == 9
    assert (found[0], found[-1]) == ("done", "over")
