"""Pictures that travel in the message, read back by the standard library's parser and by Pillow."""

import email
import email.policy
import io
import struct
import sys
import zlib
from email.message import EmailMessage
from pathlib import Path

import pytest
from PIL import Image

from newsletter.audience.subscriber import Subscriber
from newsletter.checks.run import check_message
from newsletter.checks.sample import sample_of
from newsletter.compose.composer import Composed, Composer
from newsletter.compose.html.photograph import kind_of, resized, without_place
from newsletter.compose.issue import Issue
from newsletter.compose.neutral import neutral_html
from newsletter.config.settings import load_config
from newsletter.errors import NewsletterError

ADA = Subscriber("ada@example.net", "Ada")
POST = """---
title: Pictures
date: 2026-05-01
images: {way}
---

A photograph ![The sea at noon](/posts/photo.jpg) and a square ![A square](/posts/square.png){{: width=100}}, again
![The sea at noon](/posts/photo.jpg), one of the web ![Elsewhere](https://example.com/x.png), a drawing
![A drawing](/posts/drawing.svg), and one that is not there: ![Gone](/posts/gone.png).
"""


def photograph(width: int = 900, height: int = 1400) -> bytes:
    """A JPEG taken on its side, somewhere."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Acorn Cameras"
    exif.get_ifd(0x8825).update({1: "N", 2: (45.0, 46.0, 1.0), 3: "E", 4: (4.0, 50.0, 2.0)})
    written = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(
        written, "JPEG", exif=exif, icc_profile=b"a profile", comment=b"by Ada"
    )
    return written.getvalue()


def moving(width: int = 1400) -> bytes:
    frames = [Image.new("RGB", (width, 50), colour) for colour in ("red", "green", "blue")]
    written = io.BytesIO()
    frames[0].save(written, "GIF", save_all=True, append_images=frames[1:])
    return written.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "posts").mkdir()
    (tmp_path / "newsletter.toml").write_text(
        '[newsletter]\ntitle = "T"\nauthor = "Ada <ada@example.org>"\nurl = "https://example.org"\n'
        'postal_address = "1 Main"\n[unsubscribe]\nmailto = "u@example.org"\n'
    )
    (tmp_path / "posts" / "photo.jpg").write_bytes(photograph())
    Image.new("RGBA", (900, 600), (200, 30, 30, 128)).save(tmp_path / "posts" / "square.png")
    (tmp_path / "posts" / "drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    return tmp_path


def composed(folder: Path, way: str) -> Composed:
    path = folder / "posts" / "2026-05-01-pictures.md"
    path.write_text(POST.format(way=way))
    composer = Composer(load_config(folder / "newsletter.toml"))
    return composer.compose(composer.read(path))


def message_of(one: Composed) -> EmailMessage:
    return email.message_from_bytes(one.writer().envelope(ADA).message, policy=email.policy.default)


def html_of(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def test_pictures_of_the_site_travel_once_and_keep_their_words_and_sizes(folder: Path) -> None:
    message = message_of(composed(folder, "embed"))
    assert message.get_content_type() == "multipart/alternative"
    text, related = message.iter_parts()
    assert (text.get_content_type(), related.get_content_type()) == ("text/plain", "multipart/related")
    html, *pictures = related.iter_parts()
    assert [part.get_content_type() for part in pictures] == ["image/jpeg", "image/png"]
    assert [part.get_filename() for part in pictures] == ["photo.jpg", "square.png"]
    for part in pictures:
        assert part["Content-Disposition"].startswith("inline")
        assert html.get_content().count(f"cid:{part['Content-ID'][1:-1]}") == (
            2 if "photo" in str(part.get_filename()) else 1
        )
    assert 'alt="The sea at noon"' in html.get_content()
    assert 'width="100"' in html.get_content()
    for kept in (
        "https://example.com/x.png",
        "https://example.org/posts/drawing.svg",
        "https://example.org/posts/gone.png",
    ):
        assert f'src="{kept}"' in html.get_content()


def test_lines_are_short_and_two_readers_share_the_pictures(folder: Path) -> None:
    writer = composed(folder, "embed").writer()
    one, other = writer.envelope(ADA), writer.envelope(Subscriber("b@example.net", "Bo"))
    assert max(map(len, one.message.split(b"\r\n"))) <= 998
    assert max(map(len, one.message.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76
    shared = [piece for piece in one.pieces if len(piece) > 10_000]
    assert shared
    assert all(any(piece is same for same in other.pieces) for piece in shared)


def test_linked_pictures_make_no_part(folder: Path) -> None:
    assert "cid:" not in html_of(message_of(composed(folder, "link")))
    assert [part.get_content_type() for part in message_of(composed(folder, "link")).iter_parts()] == [
        "text/plain",
        "text/html",
    ]


def test_the_newsletter_says_it_for_all_posts_and_a_post_for_itself(folder: Path) -> None:
    path = folder / "newsletter.toml"
    path.write_text(path.read_text().replace("[unsubscribe]", 'images = "embed"\n[unsubscribe]'))
    assert "cid:" in html_of(message_of(composed(folder, "")))
    assert "cid:" not in html_of(message_of(composed(folder, "link")))
    assert "cid:" in html_of(message_of(composed(folder, "[/posts/photo.jpg]")))  # Hugo's list


def test_what_is_no_way_is_named(folder: Path) -> None:
    with pytest.raises(NewsletterError, match="write link, embed or resize"):
        composed(folder, "embedd")


def test_resized_pictures_have_twice_the_shown_width_at_most(folder: Path) -> None:
    message = message_of(composed(folder, "resize"))
    photo, square = list(
        next(part for part in message.walk() if part.get_content_type() == "multipart/related").iter_parts()
    )[1:]
    with Image.open(io.BytesIO(photo.get_content())) as picture:
        assert picture.size == (1072, 689)  # upright, and shown 536 wide
        assert dict(picture.getexif()) == {}
    with Image.open(io.BytesIO(square.get_content())) as picture:
        assert picture.width == 200
        assert picture.mode == "RGBA"


def test_an_issue_with_pictures_is_frozen_and_read_back_equal(folder: Path) -> None:
    issue = composed(folder, "embed").issue
    assert Issue.loads(issue.dumps()) == issue
    assert len(issue.pictures) == 2
    (folder / "posts" / "photo.jpg").write_bytes(photograph(800))
    assert composed(folder, "embed").issue.hash != issue.hash


def test_on_the_web_they_are_links_again(folder: Path) -> None:
    issue = composed(folder, "embed").issue
    assert 'src="https://example.org/posts/photo.jpg"' in neutral_html(issue, {})
    assert "cid:" not in composed(folder, "embed").writer().decoded(ADA).html


def test_a_folder_without_a_web_site_carries_its_pictures(folder: Path) -> None:
    path = folder / "newsletter.toml"
    path.write_text(path.read_text().replace('url = "https://example.org"\n', ""))
    one = composed(folder, "embed")
    assert html_of(message_of(one)).count("cid:") == 3
    assert "data:image/jpeg;base64," in neutral_html(one.issue, {})


def test_the_budget_and_a_missing_file_are_findings_with_their_line(folder: Path) -> None:
    Image.effect_noise((1500, 1500), 90).save(folder / "posts" / "photo.jpg", quality=100)
    one = composed(folder, "embed")
    sample = sample_of(one.writer().envelope(ADA).message, one.page, one.config, one.template)
    found = {finding.rule: finding for finding in check_message(sample)}
    assert "MiB, for each reader" in found["image-budget"].message
    assert any("the picture 'The sea at noon' has" in finding.message for finding in check_message(sample))
    gone = [
        finding for finding in check_message(sample) if "gone.png" in finding.message and finding.rule == "image-source"
    ]
    assert [(finding.line, finding.severity) for finding in gone] == [(9, "error")]


def test_place_and_camera_go_and_the_picture_stays() -> None:
    before = photograph()
    after = without_place(before)
    assert b"Acorn" not in after
    assert b"by Ada" not in after
    with Image.open(io.BytesIO(before)) as one, Image.open(io.BytesIO(after)) as other:
        assert dict(other.getexif()) == {0x0112: 6}
        assert other.info["icc_profile"] == b"a profile"
        assert one.tobytes() == other.tobytes()


def _written(kind: str, **more: object) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Acorn Cameras", 6
    written = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(written, kind, exif=exif.tobytes(), **more)
    return written.getvalue()


KINDS = {
    "png": _written("PNG"),
    "png with more behind it": _written("PNG") + b"Acorn Cameras",
    "webp": _written("WEBP"),
    "moving webp": _written("WEBP", save_all=True, append_images=[Image.new("RGB", (256, 256), "red")]),
    "jpeg in passes": _written("JPEG", progressive=True),
    "photograph with a second one behind it": _written("MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))]),
    "jpeg with a film behind it": _written("JPEG") + b"ftypmp4 Acorn Cameras",
}


@pytest.mark.parametrize("octets", KINDS.values(), ids=KINDS.keys())
def test_place_goes_from_every_kind_and_from_what_stands_behind(octets: bytes) -> None:
    after = without_place(octets)
    assert b"Acorn" in octets
    assert b"Acorn" not in after
    with Image.open(io.BytesIO(octets)) as one, Image.open(io.BytesIO(after)) as other:
        assert one.tobytes() == other.tobytes()
        assert dict(other.getexif()) == {0x0112: 6}  # which way up
    with Image.open(io.BytesIO(resized(octets, 100))) as small:
        assert small.width == (256 if getattr(small, "is_animated", False) else 100)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xe1\x00",
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"RIFF\0\0\0\0WEBP",
        b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0",
        b"GIF89a",
        b"hello",
    ],
)
def test_a_broken_file_breaks_nothing(octets: bytes) -> None:
    without_place(octets)
    resized(octets, 100)


def test_animated_pictures_are_left_alone() -> None:
    assert resized(moving(), 100) == moving()
    kept = moving()
    assert kind_of(kept) == "image/gif"


def test_a_picture_of_sixteen_bits_is_left_alone() -> None:
    """Pillow would cut off what is over eight, and show white."""
    written = io.BytesIO()
    Image.new("I;16", (900, 5), 30_000).save(written, "PNG")
    assert resized(written.getvalue(), 100) == written.getvalue()


def test_a_bomb_of_pixels_is_left_alone_and_never_sent(folder: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    assert resized(bomb, 100) == bomb
    (folder / "posts" / "square.png").write_bytes(bomb)
    with pytest.raises(NewsletterError, match="60,000 by 60,000 pixels"):
        composed(folder, "embed")


def test_without_pillow_resize_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(NewsletterError, match=r"newsletter-press\[images\]"):
        composed(folder, "resize")
    assert "cid:" in html_of(message_of(composed(folder, "embed")))
