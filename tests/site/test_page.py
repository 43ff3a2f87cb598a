"""A post resolved against its site is one frozen value, worked out once."""

from dataclasses import FrozenInstanceError

import pytest

from newsletter.compose.composer import Composer
from tests.compose.sites import JEKYLL, page_of, write


def test_a_page_is_frozen(tmp_path):
    composer = Composer(write(tmp_path, JEKYLL))
    page = composer.read(tmp_path / "_posts/2018-07-03-first.md")
    with pytest.raises(FrozenInstanceError):
        page.url = "https://example.net/"  # type: ignore[misc]


def test_an_image_that_is_the_posts_own_file_ends(tmp_path):
    site = Composer(write(tmp_path, JEKYLL)).site
    page = page_of(site, "_posts/2020-01-01-x.md", "---\ntitle: A\nimage: 2020-01-01-x.md\n---\n")
    assert page.image == page.url


def test_an_issue_resolves_its_post_and_computes_its_context_once(tmp_path, monkeypatch):
    """`send` asks the site for nothing twice: not where the post stands, not who wrote it, not what a template sees."""
    calls = []

    def counted(module, name):
        function = getattr(module, name)

        def call(*given, **named):
            calls.append(name)
            return function(*given, **named)

        monkeypatch.setattr(module, name, call)

    from newsletter.compose import pipeline
    from newsletter.site import page

    for name in ("_address", "_author", "_image"):
        counted(page, name)
    for name in ("post_context", "newsletter_context", "site_context"):
        counted(pipeline, name)
    composer = Composer(write(tmp_path, JEKYLL))
    text = "---\ntitle: A\npersonalize: true\n---\nHello {{ subscriber.name }}, [here](/x) is ![a](/a.png) picture.\n"
    post = tmp_path / "_posts/2020-01-01-x.md"
    post.write_text(text)
    composed = composer.compose(composer.read(post))
    assert composed.issue.view_url == "https://example.org/log/2020/x/"
    assert sorted(calls) == sorted(set(calls))
