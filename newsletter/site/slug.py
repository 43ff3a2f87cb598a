"""Make slugs and titles of names, as Jekyll does (its `slugify` and `titleize_slug`)."""

import re
import unicodedata

_DATED = re.compile(r"(\d{2,4}-\d{1,2}-\d{1,2})[-_](.+)\Z", re.DOTALL)
_KEPT = {"default": "", "pretty": "._~!$&'()+,;=@", "latin": "", "ascii": ""}


def slugify(text: str, mode: str = "default", *, cased: bool = False) -> str:
    """`text` with one hyphen for each run of characters that the mode doesn't keep.

    Modes are those of Jekyll's filter: none, raw, default, pretty, ascii, latin.
    """
    if mode == "raw":
        text = re.sub(r"\s+", "-", text)
    elif mode in _KEPT:
        if mode == "latin":
            text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        kept = (c if _is_kept(c, mode) else "-" for c in text)
        text = re.sub(r"-+", "-", "".join(kept)).strip("-")
    return text if cased else text.lower()


def split_name(name: str) -> tuple[str, str]:
    """Date and slug in a file's name without its ending: `2018-07-03-hello` is (`2018-07-03`, `hello`)."""
    match = _DATED.match(name)
    return (match[1], match[2]) if match else ("", name)


def titleize(slug: str) -> str:
    """`how-to-bounce` as a title: `How To Bounce`."""
    return " ".join(word[:1].upper() + word[1:] for word in re.split(r"[-_\s]+", slug) if word)


def _is_kept(character: str, mode: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _KEPT[mode]
    return mode != "ascii" and (unicodedata.category(character)[0] in "LM" or character.isdecimal())


def file_safe(slug: str) -> str:
    """A slug that can stand in a path, a URL and a terminal, its letters kept as they are."""
    return re.sub(r"-{2,}", "-", re.sub(r"[^\w.-]+", "-", slug)).strip(".-")
