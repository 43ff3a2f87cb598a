"""The page as a whole: does it fit, does it know the dark, is it finished?"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from newsletter.checks.rule import Check, Place, Violation, shorten
from newsletter.checks.sample import Sample, body_text
from newsletter.css.computed import pixels
from newsletter.css.parse import Element, declarations

WIDEST = 640
_LEFT = re.compile(
    r"\{\{.{1,200}?\}\}|\{%.{1,200}?%\}|\*\|[A-Z][\w:. -]{0,80}\|\*|\{:\s*[.#\w][^{}\n]{0,120}\}", re.DOTALL
)
_CODE = {"code", "pre", "kbd", "samp", "tt", "textarea"}


def width(sample: Sample) -> Iterator[Violation]:
    if sample.tree is None:
        return
    metas = [meta for meta in sample.all("meta") if (meta.get("name") or "").strip().lower() == "viewport"]
    if not metas:
        what = "there is no viewport meta element: phones shrink the page until it can't be read"
        hint = 'Put <meta name="viewport" content="width=device-width, initial-scale=1"> into the head.'
        yield Violation("warning", what, _head(sample), None, hint)
    widest: tuple[float, Element] | None = None
    for element in sample.elements:
        found = _fixed_width(element)
        if found > WIDEST and not sample.hidden(element) and (widest is None or found > widest[0]):
            widest = (found, element)
    if widest:
        wide, element = widest
        article = "an" if element.tag == "img" else "a"
        what = f"{article} <{element.tag}> is {wide:g} px wide: beyond {WIDEST} px readers scroll sideways"
        place = sample.sources.address(element.get("src") or "") or sample.sources.literal(f'width="{wide:g}"')
        yield Violation("warning", what, place, element)


def dark_mode(sample: Sample) -> Iterator[Violation]:
    if sample.tree is None:
        return
    missing = []
    if not sample.knows_dark:
        missing.append("color-scheme meta element")
    if not sample.dark_rules:
        missing.append("dark styles")
    if missing:
        what = f"no {' and no '.join(missing)}: each client darkens the message in its own way"
        yield Violation("info", what, _head(sample))


def leftover(sample: Sample) -> Iterator[Violation]:
    seen: set[str] = set()
    code = _code(sample)
    for text, element, where in _texts(sample):
        for match in _LEFT.finditer(text):
            found = match[0]
            if found in seen or found in code or _post_says(sample, found):
                continue
            seen.add(found)
            place = sample.sources.literal(found)
            what = f"{shorten(found, 50)!r} is left over in the {where}: the reader sees it as it is"
            yield Violation("error", what, place, element if element is not None else None)


def _texts(sample: Sample) -> Iterator[tuple[str, Element | None, str]]:
    yield sample.subject or "", None, "subject"
    body = next(sample.all("body"), None)
    if body is not None:
        for text, element in body_text(body):
            if ("{" in text or "*|" in text) and not _in_code(element):
                yield text, element, "text"
    for element in sample.elements:
        for name in ("href", "src", "alt", "title", "background"):
            value = element.get(name)
            if value and ("{" in value or "*|" in value or "%7b" in value.lower()):
                yield unquote(value), element, f"{name} of <{element.tag}>"
    if sample.text is not None:
        yield sample.text.text, None, "plain text part"


def _in_code(element: Element) -> bool:
    return element.tag in _CODE or any(node.tag in _CODE for node in element.iterancestors())


def _code(sample: Sample) -> str:
    return "\n".join("".join(text for text, _ in body_text(element)) for element in sample.all(*_CODE))


def _post_says(sample: Sample, found: str) -> bool:
    """Whether the post means it as text: it is no template unless it asks to be one. Attribute lists never are text."""
    post = sample.post
    if post is None or found.startswith("{:") or post.personalize:
        return False
    said = " ".join(found.split())
    return said in " ".join(f"{post.title} {post.subtitle} {post.body}".split())


def _fixed_width(element: Element) -> float:
    """The width in px that the element can't go below: 0 where it gives way."""
    if element.tag in {"html", "head", "meta", "link", "style", "script", "title"}:
        return 0
    said = (element.get("width") or "").strip().removesuffix("px")
    wide = float(said) if said.isdecimal() and element.tag in {"table", "td", "th", "img"} else 0.0
    limit = None
    for item in declarations(element.get("style") or ""):
        length = None if item.value.endswith("%") else pixels(item.value)
        if item.name in {"width", "min-width"} and length is not None:
            wide = max(wide, length)
        elif item.name == "width" and item.value.endswith("%") and element.tag != "img":
            wide = 0
        elif item.name == "max-width" and length is not None:
            limit = length
    return min(wide, limit) if limit is not None else wide


def _head(sample: Sample) -> Place:
    for source in sample.sources.templates[:1]:
        if "<head" in source.text:
            return source.name, source.line_at(source.text.index("<head"))
    return None


LAYOUT = (
    Check(
        "width", width,
        {"warning": "no viewport meta element; content wider than 640 px"},
        "The reader scrolls sideways, or reads ant-sized print.",
        "Keep the page at 600 px: width=\"600\" with style=\"width: 100%; max-width: 600px\".",
        "https://www.caniemail.com/features/css-max-width/",
    ),
    Check(
        "dark-mode", dark_mode,
        {"info": "no color-scheme meta element, no dark styles"},
        "Clients turn colours over by themselves; logos on white boxes and grey on black come of it.",
        "Add <meta name=\"color-scheme\" content=\"light dark\"> and @media (prefers-color-scheme: dark) rules.",
        "https://www.caniemail.com/features/css-at-media-prefers-color-scheme/",
    ),
    Check(
        "leftover", leftover,
        {"error": "`{{ }}`, `{% %}`, `*|X|*`, `{: }` that the post did not write as text or code"},
        "The reader sees the machinery: “Dear {{ name }}”.",
        "Mend the tag where it stands; write `personalize: true` in the front matter of a post that is a template.",
        "https://mailchimp.com/help/all-the-merge-tags-cheat-sheet/",
    ),
)  # fmt: skip
