"""Pictures get a width: what the post says, else what the file says, never wider than the text."""

import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.compose.body import render_body
from newsletter.compose.html.images import fit, size_of
from tests.compose.sites import HUGO, PLAIN, make, page_of


def png(width: int, height: int) -> bytes:
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    chunk = b"IHDR" + head
    return b"\x89PNG\r\n\x1a\n" + len(head).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")


JPEG = (
    b"\xff\xd8\xff\xe1\x00\x08Exif\x00\x00\xff\xff\xfe\x00\x04hi"
    + b"\xff\xc4\x00\x04ab\xff\xc2\x00\x0b\x08\x01\x2c\x01\x90\x01\x01\x11\x00"
)
GIF = b"GIF89a" + (320).to_bytes(2, "little") + (200).to_bytes(2, "little") + b"\0\0\0"
WEBP = {
    "lossy": b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x90\x01\x2c\x01",
    "lossless": b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + (399 | 299 << 14).to_bytes(4, "little") + bytes(8),
    "extended": b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0" + bytes(4) + b"\x8f\x01\0" + b"\x2b\x01\0",
}


@pytest.mark.parametrize(
    ("head", "size"),
    [
        (png(1200, 800), (1200, 800)), (JPEG, (400, 300)), (GIF, (320, 200)), (WEBP["lossy"], (400, 300)),
        (WEBP["lossless"], (400, 300)), (WEBP["extended"], (400, 300)), (b"<svg/>", None), (b"", None),
        (png(0, 5), None), (b"\xff\xd8\xff\xe1\x00\x00", None),
    ],
)  # fmt: skip
def test_the_size_stands_in_the_head_of_the_file(tmp_path: Path, head: bytes, size: tuple[int, int] | None) -> None:
    (tmp_path / "a").write_bytes(head)
    assert size_of(tmp_path / "a") == size


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"<svg"]), st.binary()
)
def test_no_file_is_too_broken_to_be_asked(tmp_path: Path, start: bytes, rest: bytes) -> None:
    (tmp_path / "a").write_bytes(start + rest)
    size_of(tmp_path / "a")


def test_a_photograph_taken_upright_is_as_high_as_its_file_is_wide(tmp_path: Path) -> None:
    orientation = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    exif = b"Exif\0\0" + orientation
    (tmp_path / "a").write_bytes(JPEG[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + JPEG[12:])
    assert size_of(tmp_path / "a") == (300, 400)


@pytest.mark.parametrize(
    ("attributes", "natural", "fitted"),
    [
        ({}, (1200, 800), {"width": "536", "data-wanted-width": "1200"}),
        ({}, (200, 100), {"width": "200"}),
        ({}, None, {}),
        ({"width": "300px"}, None, {"width": "300"}),
        ({"width": "900", "height": "300"}, None, {"width": "536", "height": "179", "data-wanted-width": "900"}),
        ({"height": "100"}, (800, 400), {"width": "200", "height": "100"}),
        ({"height": "100"}, None, {"height": "100"}),
        ({"width": "50%", "height": "10"}, (90, 90), {"width": "268", "style": "width: 50%"}),
        ({"style": "width: 25%; border: 0"}, None, {"width": "134", "style": "width: 25%; border: 0"}),
        ({"style": "border: 0"}, (90, 90), {"width": "90", "style": "border: 0"}),
        ({"style": "max-width: 50px"}, (90, 90), {"width": "90", "style": "max-width: 50px"}),
        ({"width": "auto"}, (90, 90), {"width": "90"}),
        ({"width": "0"}, (90, 90), {"width": "0"}),
    ],
)
def test_a_picture_is_as_wide_as_said_else_as_its_file(
    attributes: dict[str, str], natural: tuple[int, int] | None, fitted: dict[str, str]
) -> None:
    assert fit(attributes, natural) == fitted


@pytest.mark.parametrize(
    ("site", "picture", "post", "written"),
    [
        (PLAIN, "posts/images/b.png", "posts/2026-05-04-hello.md", "images/b.png"),
        (PLAIN, "img/b.png", "posts/2026-05-04-hello.md", "/img/b.png?v=2"),
        (PLAIN, "img/b c.png", "posts/2026-05-04-hello.md", "https://example.org/x/img/b%20c.png"),
        (HUGO, "static/b.png", "content/posts/trip/index.md", "/b.png"),
        (HUGO, "content/posts/trip/b.png", "content/posts/trip/index.md", "b.png"),
    ],
)
def test_a_picture_of_the_site_is_found_by_its_address(
    tmp_path: Path, site: dict[str, str], picture: str, post: str, written: str
) -> None:
    made = make(tmp_path, site)
    (tmp_path / picture).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / picture).write_bytes(png(300, 20))
    read = page_of(made, post, f"---\ntitle: A\n---\n\n![A](<{written}>)\n")
    assert ' width="300"' in render_body(read)


def test_nothing_outside_the_site_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(300, 20))
    made = make(tmp_path / "site", PLAIN)
    (tmp_path / "site/link.png").symlink_to(tmp_path / "secret.png")
    read = page_of(
        made, "posts/2026-05-04-hello.md", "![A](/link.png) ![B](../../../secret.png) ![C](/%2e%2e/secret.png)\n"
    )
    assert "width" not in render_body(read)
