"""Pictures: what the reader has when they are off, and whether they arrive at all."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from newsletter.checks.finding import Severity
from newsletter.checks.rule import Check, Place, Violation, count, place_of, shorten
from newsletter.checks.sample import Sample, squeeze
from newsletter.css.computed import pixels
from newsletter.css.parse import Element, declarations

ALT_MOST = 125
FILE_MOST = 1024 * 1024
CARRIED_MOST, CARRIED_FAR = 2 * 1024 * 1024, 10 * 1024 * 1024
"""Bytes of all pictures in a message: more is slow to send and to open; far more, many relays refuse."""
WORDS_FEWEST = 400
_FILE_NAME = re.compile(r"[\w%.()+-]+\.(?:png|jpe?g|gif|webp|svg|avif|bmp|heic|tiff?)\Z", re.IGNORECASE)
_CAMERA = re.compile(r"(?:img|dsc[nf]?|image|photo|picture|screenshot|screen[ _-]shot)[ _-]?\d+\Z", re.IGNORECASE)
_LATE = re.compile(r"\{\{|\{%|\*\|")


def image_alt(sample: Sample) -> Iterator[Violation]:
    for image in _images(sample, pixels_too=True):  # a screen reader reads out the file name of a spacer, too
        alt = image.get("alt")
        name = _name(image)
        if alt is None:
            if _decorative(image):
                continue
            what = f"{name} has no alt text: with pictures off, and for the blind, there is nothing or a file name"
            yield Violation("error", what, _place(sample, image), image)
        elif _FILE_NAME.match(alt.strip()) or _CAMERA.match(alt.strip()):
            what = f"the alt text {alt.strip()!r} is a file name: it tells the reader nothing"
            yield Violation("warning", what, _place(sample, image), image)
        elif len(alt) > ALT_MOST:
            what = f"the alt text of {name} has {len(alt)} characters: some screen readers stop at {ALT_MOST}"
            yield Violation("warning", what, _place(sample, image), image)


def image_source(sample: Sample) -> Iterator[Violation]:
    for image in _images(sample, pixels_too=True):
        source = (image.get("src") or "").strip()
        if not source:
            yield Violation(
                "error", "a picture has no src: the reader sees an empty frame", _place(sample, image), image
            )
            continue
        if _LATE.search(source):
            continue  # `leftover` speaks of it
        scheme, host = _scheme_and_host(source)
        if scheme == "cid":
            if unquote(source[4:]) not in sample.attached:
                what = f"{shorten(source)} is not in the message: the reader sees a broken picture"
                yield Violation("error", what, _place(sample, image), image)
            elif sample.attached[unquote(source[4:])] > FILE_MOST:
                alt = squeeze(image.get("alt") or "")
                name = f"the picture {shorten(alt, 40)!r}" if alt else source  # its Content-ID says nothing to anybody
                what = heavy(name, sample.attached[unquote(source[4:])])
                yield Violation("warning", what, _place(sample, image), image)
        elif scheme == "data":
            continue  # `client-support` speaks of it
        elif scheme not in {"http", "https"} or not host:
            what = f"{shorten(source)} is no full address: in a mailbox there is nothing that it is relative to"
            yield Violation("error", what, _place(sample, image), image)
        else:
            if scheme == "http":
                what = f"{shorten(source)} is not https: clients that proxy or warn leave it out"
                yield Violation("warning", what, _place(sample, image), image)
            yield from _file(sample, image, source)


def carried_pictures(sample: Sample) -> Iterator[Violation]:
    """The budget of pictures that travel in the message."""
    total = sum(sample.attached.values())
    if total > CARRIED_MOST:
        what = f"the pictures in the message weigh {total / 1024 / 1024:.1f} MiB, for each reader"
        severity: Severity = "error" if total > CARRIED_FAR else "warning"
        image = next((image for image in _images(sample) if (image.get("src") or "").startswith("cid:")), None)
        yield Violation(severity, what, _place(sample, image) if image is not None else None, image)


def image_size(sample: Sample) -> Iterator[Violation]:
    for image in _images(sample):
        width = image.get("width")
        if (width is None or not re.fullmatch(r"\s*\d+\s*", width)) and image.get("src"):
            said = "has no width attribute" if width is None else f"has width={width.strip()!r}, no number of pixels"
            what = (
                f"{_name(image)} {said}: Outlook on Windows shows it in its own size, and the text jumps while it loads"
            )
            yield Violation("warning", what, _place(sample, image), image)


def mostly_images(sample: Sample) -> Iterator[Violation]:
    images = [image for image in _images(sample) if (_pixels(image, "width") or 600) >= 100]
    words = sum(len(squeeze(text.text)) for text in sample.shown)
    if images and words < WORDS_FEWEST:
        what = f"{count(len(images), 'picture')} and {words} characters of words: filters distrust so little text"
        yield Violation("warning", what, _place(sample, images[0]), images[0])


def _images(sample: Sample, pixels_too: bool = False) -> Iterator[Element]:
    """The pictures that the reader may see; with `pixels_too`, also the spacers and tracking pixels."""
    for image in sample.all("img"):
        if not sample.hidden(image) and (pixels_too or not _spacer(image)):
            yield image


def _place(sample: Sample, image: Element) -> Place:
    return place_of(sample, image, "src", "alt")


def _spacer(image: Element) -> bool:
    sides = [_pixels(image, "width"), _pixels(image, "height")]
    return any(side is not None and side <= 3 for side in sides)


def _pixels(image: Element, name: str) -> float | None:
    said = (image.get(name) or "").strip().removesuffix("px")
    if said.isdecimal():
        return float(said)
    for item in reversed(declarations(image.get("style") or "")):
        if item.name == name and not item.value.endswith("%"):
            return pixels(item.value)
    return None


def _decorative(image: Element) -> bool:
    return (
        image.get("role") in {"presentation", "none"}
        or image.get("aria-hidden") == "true"
        or bool(image.get("aria-label"))
    )


def _name(image: Element) -> str:
    name = unquote((image.get("src") or "").split("?")[0].rstrip("/").rpartition("/")[2])
    return shorten(name, 40) if name and not name.startswith("data:") else "a picture"


def _scheme_and_host(source: str) -> tuple[str, str]:
    if source.startswith("//"):
        source = "https:" + source
    try:
        parts = urlsplit(source)
    except ValueError:
        return "", ""
    return parts.scheme.lower(), parts.netloc


def _file(sample: Sample, image: Element, source: str) -> Iterator[Violation]:
    """A picture that the post or the config names by a path of this site: is it there, is it light enough?"""
    if sample.config is None or sample.post is None:
        return
    root, path = sample.config.root, unquote(urlsplit(source).path).lstrip("/")
    if not path or not _written_as_path(sample, source):
        return
    folders = (root, root / "static", root / "assets", root / "public", sample.post.path.parent)
    names = [folder / path for folder in folders] + [sample.post.path.parent / Path(path).name]
    parts = Path(path).parts
    names += [
        folder / Path(*parts[start:]) for start in range(1, len(parts)) for folder in (root, sample.post.path.parent)
    ]
    found = next((name for name in names if name.is_file()), None)
    if found is None:
        what = f"{shorten(path)} is not in the site's folder: the reader sees a broken picture"
        yield Violation("error", what, _place(sample, image), image)
    elif (size := found.stat().st_size) > FILE_MOST:
        yield Violation("warning", heavy(found.name, size), _place(sample, image), image)


def _written_as_path(sample: Sample, source: str) -> bool:
    """Whether the post itself names this file, and not by a full address."""
    post = sample.sources.post
    front = sample.sources.front_matter
    name = urlsplit(source).path.rpartition("/")[2]
    texts = [part.text for part in (post, front) if part is not None]
    written = any(name in text or unquote(name) in text for text in texts)
    return bool(name) and written and not any(source in text for text in texts)


def heavy(name: str, size: int) -> str:
    """That a picture is too large."""
    return f"{shorten(name)} has {size / 1024 / 1024:.1f} MiB: on a phone the reader waits, or never sees it"


IMAGE_SOURCE = Check(
    "image-source", image_source,
    {
        "error": "src missing or relative, file missing",
        "warning": "not https; over 1 MiB (of pictures elsewhere, with `--links`)",
    },
    "The picture is broken, late or left out.",
    "Put it into the site's folder and name its path, or a full https address; shrink it under 1 MiB.",
    "https://www.caniemail.com/features/html-img/",
)  # fmt: skip

IMAGES = (
    Check(
        "image-budget", carried_pictures,
        {"error": "embedded pictures over 10 MiB in all", "warning": "over 2 MiB"},
        "Each reader downloads all of it before the first picture shows; many servers refuse large mail.",
        "Write `images: resize`, which sends twice the shown width at most, or leave some as links.",
        "https://www.rfc-editor.org/rfc/rfc1870",
    ),
    Check(
        "image-alt", image_alt,
        {"error": "alt missing", "warning": "alt is a file name, or over 125 characters"},
        "With pictures off, and for a blind reader, the alt text is the picture.",
        "Say what the picture says: ![What it shows](picture.png); alt=\"\" for one that only decorates.",
        "https://www.w3.org/WAI/tutorials/images/decision-tree/",
    ),
    IMAGE_SOURCE,
    Check(
        "image-size", image_size,
        {"warning": "width attribute missing, or no integer"},
        "Outlook on Windows ignores CSS widths: a large picture breaks out of the page.",
        "Give it a width in pixels: <img width=\"536\"> in a template, {: width=\"536\"} after a Markdown picture.",
        "https://www.caniemail.com/features/html-width/",
    ),
    Check(
        "mostly-images", mostly_images,
        {"warning": "pictures, and under 400 characters of words"},
        "Filters take it for spam; readers with pictures off have nothing.",
        "Say in words what the pictures say.",
        "https://spamassassin.apache.org/tests_3_3_x.html",
    ),
)  # fmt: skip
