"""Take out of a picture's file what tells where and with what it was taken; all that is seen stays as it is.

Exif, XMP and IPTC go, from JPEG, PNG and WebP; which way up a photograph is held stays (Exif 2.32, tag 0x0112). Made
smaller, pictures are Pillow's work (an extra). Pure but for that.
"""

import io
import re
import struct
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from PIL.Image import Image

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_KEPT_SEGMENTS = {0xE0, 0xE2, 0xEE}  # JFIF, colour profile, Adobe's colour transform
_TOLD = {b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"}
_ORIENTATION = 0x0112
QUALITY = 82


def without_place(octets: bytes) -> bytes:
    """The same picture without what its file tells; a file that can't be read for sure stays as it is."""
    if octets.startswith(_JPEG):
        return _jpeg(octets)
    if octets.startswith(_PNG):
        return _png(octets)
    if octets[:4] == b"RIFF" and octets[8:12] == b"WEBP":
        return _webp(octets)
    return octets


def _jpeg(octets: bytes) -> bytes:
    kept, at, turn = [_JPEG], 2, 1
    while at + 4 <= len(octets) and octets[at] == 0xFF:
        marker = octets[at + 1]
        if marker == 0xFF:  # fill bytes
            at += 1
            continue
        if marker == 0xDA:  # the picture itself, to the end
            exif = [_turned(turn)] if turn != 1 else []
            return b"".join([kept[0], *exif, *kept[1:], octets[at:]])
        end = at + 2 + struct.unpack(">H", octets[at + 2 : at + 4])[0]
        segment = octets[at:end]
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            turn = _orientation(segment[10:])
        elif not (0xE0 <= marker <= 0xEF or marker == 0xFE) or marker in _KEPT_SEGMENTS:
            kept.append(segment)
        at = end
    return octets


def _orientation(tiff: bytes) -> int:
    """Which way up, 1 to 8, by the first directory of an Exif block; 1 where it does not say."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    start = struct.unpack(order + "I", tiff[4:8])[0]
    count = struct.unpack(order + "H", tiff[start : start + 2])[0] if start + 2 <= len(tiff) else 0
    for at in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, _, value = struct.unpack(order + "HHIH", tiff[at : at + 10])
        if tag == _ORIENTATION and kind == 3:
            return value if 1 <= value <= 8 else 1
    return 1


def _turned(turn: int) -> bytes:
    """An Exif block that says which way up, and nothing else."""
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, _ORIENTATION, 3, 1, turn, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff


def _png(octets: bytes) -> bytes:
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(octets):
        end = at + 12 + struct.unpack(">I", octets[at : at + 4])[0]
        if end > len(octets):
            return octets
        if octets[at + 4 : at + 8] not in _TOLD:
            kept.append(octets[at:end])
        at = end
    return b"".join(kept)


def _webp(octets: bytes) -> bytes:
    kept, at = list[bytes](), 12
    while at + 8 <= len(octets):
        name, size = octets[at : at + 4], struct.unpack("<I", octets[at + 4 : at + 8])[0]
        end = at + 8 + size + size % 2
        if name == b"VP8X":
            kept.append(octets[at : at + 8] + bytes([octets[at + 8] & ~0x0C]) + octets[at + 9 : end])  # no Exif, no XMP
        elif name not in (b"EXIF", b"XMP "):
            kept.append(octets[at:end])
        at = end
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def resized(octets: bytes, width: int) -> bytes:
    """The picture no wider than `width`, upright; animated ones and what Pillow can't read stay as they are.

    Raises NewsletterError where Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise NewsletterError(
            "`images: resize` needs Pillow; run `pip install 'newsletter-press[images]'`, or write `images: embed`"
        ) from None
    try:
        with Image.open(io.BytesIO(octets)) as opened:
            if getattr(opened, "is_animated", False) or opened.format not in {"JPEG", "PNG", "WEBP", "GIF"}:
                return without_place(octets)
            profile, kind = opened.info.get("icc_profile"), opened.format
            upright: Image.Image = ImageOps.exif_transpose(opened)
            if upright.width <= width:
                return without_place(octets)
            height = max(1, round(upright.height * width / upright.width))
            small = _smooth(upright).resize((width, height), Image.Resampling.LANCZOS)
            return _saved(small, "PNG" if kind == "GIF" else kind, profile, octets)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return without_place(octets)


def _smooth(picture: "Image") -> "Image":
    """In a mode that can be made smaller smoothly: palettes can't."""
    if picture.mode in ("RGB", "RGBA", "L", "CMYK"):
        return picture
    return picture.convert("RGBA" if "transparency" in picture.info or picture.mode in ("LA", "PA") else "RGB")


def _saved(picture: "Image", kind: str, profile: bytes | None, before: bytes) -> bytes:
    """As a file of its kind; the one that was there where that is no smaller."""
    written = io.BytesIO()
    more = {"icc_profile": profile} if profile else {}
    picture.save(written, kind, quality=QUALITY, optimize=True, **more)
    after = written.getvalue()
    return after if len(after) < len(before) else without_place(before)


def kind_of(octets: bytes) -> str:
    """The media type of a picture that mail programs show; empty for any other file."""
    if octets.startswith(_JPEG):
        return "image/jpeg"
    if octets.startswith(_PNG):
        return "image/png"
    if re.match(rb"GIF8[79]a", octets):
        return "image/gif"
    return "image/webp" if octets[:4] == b"RIFF" and octets[8:12] == b"WEBP" else ""
