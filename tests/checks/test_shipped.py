"""The shipped templates and the sample posts: the checks have nothing to say about them."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.audience.subscriber import Subscriber
from newsletter.checks.clients.caniemail import CLIENTS
from newsletter.checks.rules.client_support import client_support
from newsletter.checks.run import check_message
from newsletter.checks.sample import sample_of
from newsletter.compose.composer import Composer
from newsletter.compose.message.writer import MessageWriter
from newsletter.compose.pipeline import compose
from newsletter.config.settings import load_config
from newsletter.site.load import load_site
from newsletter.site.page import resolve
from newsletter.site.post import read_post

ROOT = Path(__file__).parents[2]
POSTS = sorted((ROOT / "posts").glob("*.md"))


def sample(path: Path, layout: str):
    config = load_config(ROOT / "newsletter.toml")
    page = resolve(replace(read_post(path), layout=layout), load_site(config))
    issue = compose(page, config)
    writer = MessageWriter(issue, b"secret" * 6)
    raw = writer.envelope(Subscriber("ada@example.org", "Ada", {"city": "Lyon"})).message
    return sample_of(raw, page, config)


@pytest.mark.parametrize("layout", ["post", "letter"])
@pytest.mark.parametrize("path", POSTS, ids=lambda path: path.stem)
def test_a_sample_post_has_no_error_and_no_warning(path, layout):
    found = check_message(sample(path, layout), clients=CLIENTS)
    assert [f"{f.rule} {f.source}:{f.line} {f.message}" for f in found if f.severity != "info"] == []


def test_no_client_loses_anything_in_the_shipped_templates():
    impacts = Counter(row.impact for row in client_support(sample(POSTS[0], "post"), tuple(CLIENTS)))
    assert impacts["lost"] == 0


def test_a_digest_of_the_sample_posts_has_no_error_and_no_warning():
    composer = Composer(load_config(ROOT / "newsletter.toml"))
    pages = [page for path in POSTS if not (page := composer.read(path)).post.personalize]
    assert len(pages) > 1
    composed = composer.compose_digest(pages, "digest-2026-05-04", datetime(2026, 5, 4, tzinfo=UTC))
    raw = MessageWriter(composed.issue, b"secret" * 6).envelope(Subscriber("ada@example.org", "Ada")).message
    found = check_message(sample_of(raw, composed.page, composer.config), clients=CLIENTS)
    assert [f"{f.rule} {f.source}:{f.line} {f.message}" for f in found if f.severity != "info"] == []
