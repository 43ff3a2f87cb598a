"""What is followed, and what is not."""

import asyncio
from pathlib import Path

import pytest

from newsletter.config.settings import load_config
from newsletter.web.studio.watch import changes, folders, matters

from .site import make_site


@pytest.mark.parametrize(
    ("path", "is_looked_at"),
    [
        ("posts/a.md", True), ("newsletter.toml", True), ("_data/authors.yml", True), ("posts/a.md~", False),
        ("posts/.a.md.swp", False), ("posts/4913", False), ("posts/.#a.md", False), ("#a.md#", False),
        ("newsletter.db-wal", False), (".newsletter/secret", False), (".git/index", False), ("_site/a.html", False),
        ("node_modules/x/a.md", False),
    ],
)  # fmt: skip
def test_editors_leavings_state_and_caches_do_not_matter(path: str, is_looked_at: bool) -> None:
    root = Path("/home/venv/public/letters")  # names above the newsletter say nothing
    assert matters(root / path, root) is is_looked_at


def test_the_root_is_watched_flat_and_the_folders_that_matter_in_depth(tmp_path: Path) -> None:
    site = make_site(tmp_path / "letters")
    (site.root / "_data").mkdir()
    (site.root / ".venv").mkdir()
    flat, deep = folders(load_config(site.root / "newsletter.toml"))
    assert flat == [site.root]
    assert deep == [site.root / "_data", site.root / "posts"]


async def _turns(number: int = 10) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_saves_are_told_new_folders_followed_and_renames_seen(tmp_path: Path) -> None:
    site = make_site(tmp_path / "letters")
    config = load_config(site.root / "newsletter.toml")
    stop = asyncio.Event()
    told = changes(lambda: config, stop)
    following = asyncio.ensure_future(anext(told))
    await _turns()  # watching has begun
    templates = site.root / "email_templates/deep"
    templates.mkdir(parents=True)

    async def until(path: Path) -> None:
        nonlocal following
        async with asyncio.timeout(120):
            while path not in (await following):
                following = asyncio.ensure_future(anext(told))
        following = asyncio.ensure_future(anext(told))
        await asyncio.sleep(0)

    await until(site.root / "email_templates")
    (templates / "post.html").write_text("x")
    await until(templates / "post.html")
    saved = site.root / "posts/.save"
    saved.write_text("y")
    saved.rename(site.post)
    await until(site.post)
    stop.set()
    with pytest.raises(StopAsyncIteration):
        await following
