"""What is left over of a template, or of another house's merge tags: the reader sees the machinery, or a hole.

Looked for in what the reader sees, code aside. A Jekyll post's own Liquid is evaluated, so that `{{ subscriber.name }}`
in it is nothing in the message: there the post is read.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from newsletter.checks.rule import Check, Violation, shorten
from newsletter.checks.sample import Sample, body_text
from newsletter.css.parse import Element

_PEOPLE = (
    r"(?:subscriber|contact|recipient|reader|customer|member|person|user)(?:\.\w+)+|unsubscribe_(?:url|link)|"
    r"preferences_url|view_url|tracking|e?mail(?:_address)?|(?:first|last|full)_?name|[fl]name"
)
_LEFT = re.compile(
    r"\{\{.{1,200}?\}\}|\{%.{1,200}?%\}"  # Jinja2, Liquid, Handlebars
    r"|\*\|[A-Z][\w:. -]{0,80}\|\*"  # Mailchimp
    r"|%%\w[\w.: -]{0,60}%%|%[A-Z][A-Z_]{3,40}%"  # Marketing Cloud, ActiveCampaign
    r"|\[\[[A-Z][A-Z_ ]{2,40}\]\]|\[\w{2,30}, ?fallback=[^\]\n]{0,60}\]"  # Constant Contact, Campaign Monitor
    rf"|\{{(?:[$!][a-z]\w{{2,30}}|{_PEOPLE})(?:[,|][^}}\n]{{0,60}})?\}}"  # Ghost, MailerLite, AWeber
    r"|\{:\s*[.#\w][^{}\n]{0,120}\}",  # kramdown's attributes
    re.DOTALL,
)
_FOREIGN = re.compile(
    r"%[a-z]{2,40}\.[\w.]{1,80}%|\$\{[\w.]{1,80}\}|<%[=-]?[^<>%]{1,200}%>"  # Mailgun; template literals; ERB, EJS
    r"|\{[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\}|\{(?:NAME|EMAIL|UNSUBSCRIBE)\}"  # GetResponse and its like
    r"|\[(?:UNSUBSCRIBE|UNSUB|OPTOUT|WEBVERSION|PREHEADER|CONTENT|(?:FIRST|LAST|FULL)[_ ]?NAME)\]",
)
"""What an author may mean as text: left over where the post does not say it."""
_EMPHASIZED = re.compile(r"\|[A-Z][\w:. -]{0,80}\|\Z")
_CODE = {"code", "pre", "kbd", "samp", "tt", "textarea"}
_RAW = re.compile(r"\{%-?\s*raw\s*-?%\}.*?(?:\{%-?\s*endraw\s*-?%\}|\Z)", re.DOTALL)
_LIQUID = re.compile(r"\{\{-?\s*([\w.]+).{0,200}?\}\}|\{%-?\s*(?:if|unless|elsif|case|for)\b.{1,200}?%\}", re.DOTALL)
_OF_PEOPLE = re.compile(rf"(?<![\w.\"'])({_PEOPLE})\b")
_MARKS = ("{", "*|", "|", "%", "[", "$")


def leftover(sample: Sample) -> Iterator[Violation]:
    seen: set[str] = set()
    code = _code(sample)
    for text, element, where in _texts(sample):
        for match in (*_LEFT.finditer(text), *_FOREIGN.finditer(text)):
            found = match[0]
            if found in seen or found in code or (match.re is _FOREIGN and _says(sample, found)):
                continue
            seen.add(found)
            place = sample.sources.literal(found)
            what = f"{shorten(found, 50)!r} is left over in the {where}: the reader sees it as it is"
            yield Violation("error", what, place, element if element is not None else None)
        if element is not None and element.tag in {"em", "i"} and _EMPHASIZED.match(text) and text not in seen:
            seen.add(text)
            what = f"{f'*{text}*'!r} is left over in the {where}: the reader sees {text}"
            yield Violation("error", what, sample.sources.literal(f"*{text}*"), element)
    yield from _swallowed(sample)


def _says(sample: Sample, found: str) -> bool:
    return sample.page is not None and not sample.page.post.personalize and found in sample.page.post.body


def _swallowed(sample: Sample) -> Iterator[Violation]:
    """What a Jekyll post asks of a reader, and Liquid has answered with nothing."""
    page = sample.page
    if page is None or page.site.kind != "jekyll" or page.post.personalize:
        return
    post = page.post
    if post.front_matter.get("render_with_liquid") is False:
        return
    body = _RAW.sub(lambda raw: re.sub(r"[^\n]", " ", raw[0]), post.body)
    for match in _LIQUID.finditer(body):
        named = _OF_PEOPLE.search(match[1] or match[0])
        if named is None or re.search(rf"\b(?:assign|capture|for)\s+{re.escape(named[1].split('.')[0])}\b", body):
            continue
        line = post.body_line + body.count("\n", 0, match.start())
        source = sample.sources.post.name if sample.sources.post is not None else ""
        what = f"{shorten(match[0], 50)!r} asks for the reader, whom Liquid does not know: it leaves nothing there"
        yield Violation("error", what, (source, line))


def _texts(sample: Sample) -> Iterator[tuple[str, Element | None, str]]:
    yield sample.subject or "", None, "subject"
    body = next(sample.all("body"), None)
    if body is not None:
        for text, element in body_text(body):
            if any(mark in text for mark in _MARKS) and not _in_code(element):
                yield text, element, "text"
    for element in sample.elements:
        for name in ("href", "src", "alt", "title", "background"):
            value = element.get(name)
            if value and (any(mark in value for mark in _MARKS) or "%7b" in value.lower()):
                yield _percent_free(value), element, f"{name} of <{element.tag}>"
    if sample.text is not None:
        yield sample.text.text, None, "plain text part"


def _percent_free(value: str) -> str:
    """An attribute's value without its percent encoding; `%%name%%` is none."""
    return value if "%%" in value else unquote(value)


def _in_code(element: Element) -> bool:
    return element.tag in _CODE or any(node.tag in _CODE for node in element.iterancestors())


def _code(sample: Sample) -> str:
    return "\n".join("".join(text for text, _ in body_text(element)) for element in sample.all(*_CODE))


LEFTOVER = Check(
    "leftover", leftover,
    {"error": "`{{ }}`, `{% %}`, `*|X|*`, `%%x%%`, `{first_name}`, `${x}`, `<%= %>`, `%recipient.x%`, "
              "`[UNSUBSCRIBE]`, `{FIRST_NAME}`, `{: }` outside code; in a Jekyll post, Liquid that "
              "asks for a reader"},
    "The reader sees the machinery: “Dear {{ name }}”; or, where Liquid took it, “Dear ,”.",
    "Write `personalize: true` in the front matter of a post that is a template, in newsletter's own words: "
    "{{ subscriber.name }}; a post about templates shows them as code.",
    "https://mailchimp.com/help/all-the-merge-tags-cheat-sheet/",
)  # fmt: skip
