"""SpamAssassin, without its network tests, gives our shipped templates' mail no point for its form."""

import re
import shutil
import subprocess
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from newsletter.audience.subscriber import Subscriber
from newsletter.compose.composer import Composer
from newsletter.config.settings import load_config

SPAMASSASSIN = shutil.which("spamassassin")
RECEIVED = (
    "Received: from relay.example.net (relay.example.net [203.0.114.25])\r\n"
    f"\tby mx.example.com with ESMTPS id 1; {format_datetime(datetime.now(UTC))}\r\n"
).encode("ascii")
WORDS = "The oaks along the lane were planted by people who knew they would never sit in their shade. " * 12
POST = """---
title: Who planted the oaks
date: 2026-05-04
layout: {layout}
subtitle: {subtitle}
---

{words}

## The lane

{words}
"""


@pytest.mark.parametrize("name", ["post", "letter", "digest"])
def test_nothing_hidden_holds_only_text_where_rspamd_counts_it(name: str) -> None:
    """MANY_INVISIBLE_PARTS, of rspamd 3.4's html.lua."""
    source = (Path(__file__).parents[2] / "email_templates" / f"{name}.html").read_text(encoding="utf-8")
    assert 'class="preheader"' in source
    assert not re.search(r"<(font|span|div|p|td)\b[^>]*preheader[^>]*>[^<]*</\1>", source)


@pytest.mark.skipif(SPAMASSASSIN is None, reason="SpamAssassin is not installed")
def test_spamassassin_gives_no_point_for_form(tmp_path: Path) -> None:
    (tmp_path / "posts").mkdir()
    (tmp_path / "newsletter.toml").write_text(
        '[newsletter]\ntitle = "The Long View"\nauthor = "Ada Moreau <ada@example.org>"\nurl = "https://example.org"\n'
        'postal_address = "1 Main Street, Springfield"\n[unsubscribe]\nurl = "https://news.example.org"\n'
    )
    composer = Composer(load_config(tmp_path / "newsletter.toml"))
    mbox = b""
    for layout in ("post", "letter"):
        path = tmp_path / "posts" / f"{layout}.md"
        path.write_text(POST.format(layout=layout, subtitle=WORDS[:90], words=WORDS))
        message = composer.compose(composer.read(path)).writer().envelope(Subscriber("b@example.com", "Bo")).message
        mbox += (
            b"From ada@example.org Mon May  4 09:00:00 2026\n" + (RECEIVED + message).replace(b"\r\n", b"\n") + b"\n"
        )
    (tmp_path / "mbox").write_bytes(mbox)
    command = [str(SPAMASSASSIN), "--local", "--test-mode", "--mbox", str(tmp_path / "mbox")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    points = re.findall(r"^ *(-?\d+\.\d) ([A-Z_0-9]+) ", said, re.MULTILINE)
    assert len(re.findall("Content analysis details", said)) == 2, said[-3000:]
    assert {name: score for score, name in points if float(score) > 0} == {}
