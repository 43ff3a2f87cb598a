"""Take out of a picture's file what tells where and with what it was taken; all that is seen stays as it is.

Exif, XMP and IPTC go, from JPEG, PNG and WebP; which way up a photograph is held stays (Exif 2.32, tag 0x0112). Made
smaller, pictures are Pillow's work (an extra). Pure but for that.
"""

import io
import re
import struct
import warnings
import zlib
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from PIL.Image import Image

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_ALONE = {0x00, 0x01, *range(0xD0, 0xD9), 0xFF}
_SCAN = re.compile(rb"(?:[^\xff]++|\xff++[\x00\xd0-\xd7])*+", re.DOTALL)  # the picture's own bytes, to the next marker
_KEPT_SEGMENTS = {0xE0, 0xE2, 0xEE}  # JFIF, colour profile, Adobe's colour transform
_TOLD = {b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"}
_ORIENTATION = 0x0112
QUALITY = 82
PIXELS = 64_000_000
"""Of a picture that is made smaller; a file of a few kilobytes may claim any number, and each takes four bytes."""
_KINDS = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "WEBP": "WEBP", "GIF": "PNG"}
"""What Pillow reads, and writes in its place; MPO is a photograph with further ones behind it, as telephones write."""
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"}
"""Eight bits a colour: Pillow makes others smaller by cutting them off."""


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
    """Up to the picture's end: a second one behind it, or a film, has an Exif block of its own."""
    kept, at, turn, has_scan = list[bytes](), 2, 1, False
    while (at := octets.find(b"\xff", at)) >= 0 and at + 4 <= len(octets):
        marker = octets[at + 1]
        if marker in _ALONE:  # fill bytes, and what is no marker
            at += 1
            continue
        end = at + 2 + struct.unpack(">H", octets[at + 2 : at + 4])[0]
        segment = octets[at:end]
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            turn = _orientation(segment[10:])
        elif not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            if marker == 0xDA and (scan := _SCAN.match(octets, end)):
                end, has_scan = scan.end(), True
            kept.append(octets[at:end])
        elif marker in _KEPT_SEGMENTS and (marker != 0xE2 or segment[4:15] == b"ICC_PROFILE"):
            kept.append(segment)
        at = end
        if octets[at : at + 2] == b"\xff\xd9":
            break
    if not has_scan:
        return octets
    return b"".join([_JPEG, *([_turned(turn)] if turn != 1 else []), *kept, b"\xff\xd9"])


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


def _tiff(turn: int) -> bytes:
    """A directory of Exif's that says which way up, and nothing else."""
    return b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, _ORIENTATION, 3, 1, turn, 0, 0)


def _turned(turn: int) -> bytes:
    """The same as a segment of a JPEG."""
    tiff = _tiff(turn)
    return b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff


def _png(octets: bytes) -> bytes:
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(octets):
        name, end = octets[at + 4 : at + 8], at + 12 + struct.unpack(">I", octets[at : at + 4])[0]
        if name == b"eXIf" and (turn := _orientation(octets[at + 8 : end - 4])) != 1:
            told = name + _tiff(turn)
            kept.append(struct.pack(">I", len(told) - 4) + told + struct.pack(">I", zlib.crc32(told)))
        if name not in _TOLD:
            kept.append(octets[at:end])
        at = end
        if name == b"IEND":
            break
    return b"".join(kept)


def _webp(octets: bytes) -> bytes:
    chunks, at, turn = list[tuple[bytes, bytes]](), 12, 1
    while at + 8 <= len(octets):
        name, size = octets[at : at + 4], struct.unpack("<I", octets[at + 4 : at + 8])[0]
        data = octets[at + 8 : at + 8 + size]
        if name == b"EXIF":
            turn = _orientation(data.removeprefix(b"Exif\0\0"))
        elif name != b"XMP ":
            chunks.append((name, data))
        at += 8 + size + size % 2
    if turn != 1:
        chunks.append((b"EXIF", _tiff(turn)))
    flag = 0x08 if turn != 1 else 0
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(one)) + one + b"\0" * (len(one) % 2)
        for name, data in chunks
        for one in [bytes([data[0] & ~0x0C | flag]) + data[1:] if name == b"VP8X" and data else data]
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def resized(octets: bytes, width: int) -> bytes:
    """The picture no wider than `width`, upright; animated ones and what Pillow can't read stay as they are.

    Raises NewsletterError where Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise NewsletterError(
            "`images: resize` needs Pillow; run `pip install 'newsletter-press[images]'`, or write `images: embed`"
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow's, on what it reads all the same
            return _smaller(octets, width)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return without_place(octets)


def _smaller(octets: bytes, width: int) -> bytes:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(octets)) as opened:
        kind = _KINDS.get(opened.format or "", "")
        is_film = kind != "JPEG" and getattr(opened, "is_animated", False)
        if not kind or is_film or opened.width * opened.height > PIXELS or opened.mode not in _MODES:
            return without_place(octets)
        profile = opened.info.get("icc_profile")
        upright: Image.Image = ImageOps.exif_transpose(opened)
        if upright.width <= width:
            return without_place(octets)
        height = max(1, round(upright.height * width / upright.width))
        small = _smooth(upright).resize((width, height), Image.Resampling.LANCZOS)
        return _saved(small, kind, profile, octets)


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
