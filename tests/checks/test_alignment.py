"""A signature that does not speak for the author is found without DNS, as far as names tell."""

from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.checks.rules.alignment import dkim_alignment
from newsletter.checks.sample import sample_of
from newsletter.config.settings import load_config


@pytest.mark.parametrize(
    ("author", "domains", "wrong"),
    [
        ("ada@example.org", '"example.org"', False),
        ("ada@example.org", '"mail.example.org"', False),
        ("ada@news.example.org", '"example.org"', False),
        ("ada@news.example.org", '"mail.EXAMPLE.org."', False),
        ("ada@example.org", '"example.net"', True),
        ("ada@example.org", '["example.net", "example.org"]', False),
        ("ada@example.org", '["example.net", "example.com"]', True),
        ("ada@one.co.uk", '"two.co.uk"', True),
        ("ada@news.one.co.uk", '"mail.one.co.uk"', False),
        ("ada@bücher.example", '"xn--bcher-kva.example"', False),
        ("ada@straße.example", '"straße.example"', False),
        ("ada@example.org", '"notexample.org"', True),
        ("ada@example.org", '""', False),
    ],
)
def test_a_signature_is_held_against_the_authors_domain(tmp_path: Path, author: str, domains: str, wrong: bool) -> None:
    path = tmp_path / "newsletter.toml"
    path.write_text(f'[newsletter]\nauthor = "Ada <{author}>"\n[dkim]\nselector = "s"\ndomain = {domains}\n')
    sample = replace(sample_of(b"Subject: x\r\n\r\nwords\r\n"), config=load_config(path))
    found = list(dkim_alignment(sample))
    assert bool(found) is wrong
    for one in found:
        assert (one.severity, one.place) == ("warning", ("newsletter.toml", 5))
