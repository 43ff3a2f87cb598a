"""Pictures that travel in a message, as the studio shows them."""

import base64
from email import message_from_bytes, policy
from pathlib import Path

from .site import PIXEL, make_site, running


async def test_an_embedded_picture_shows_as_the_bytes_that_readers_get(tmp_path: Path) -> None:
    made = make_site(tmp_path / "letters")
    toml = made.root / "newsletter.toml"
    toml.write_text(toml.read_text().replace("[unsubscribe]", 'images = "embed"\n[unsubscribe]'))
    async with running(made) as site:
        _, headers, document = await site.ask("/mail/oaks")
        _, _, eml = await site.ask("/download/oaks")
    related = [part for part in message_from_bytes(eml, policy=policy.default).walk() if part["Content-ID"]]
    assert [part.get_content() for part in related] == [PIXEL]
    assert b"data:image/png;base64," + base64.b64encode(PIXEL) in document
    assert b"cid:" not in document
    assert "data:" in headers["content-security-policy"]
