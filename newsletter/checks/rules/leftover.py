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

_WHO = "(?:subscriber|contact|recipient|reader|customer|member|person|user)"
_PEOPLE = (
    rf"{_WHO}(?:\.\w+)+|unsubscribe_(?:url|link)|"
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
_OF_READER = (
    r"(?:(?:first|last|full|given|family|sur)[ _-]?name|[fl]_?name|vorname|nachname|pr[ée]nom|voornaam"
    rf"|unsub(?:scribe)?[ _-]?(?:url|link)|(?:data|{_WHO})[.:_]\w+)(?: ?[|,:=][^\]\[{{}}<>\n]{{0,60}})?"
)
"""What only a reader has, with what some systems write behind it; `name` alone may be meant as a word."""
_MARKS_OF_ALL = (
    ("[", "]"), ("[[", "]]"), ("[%", "%]"), ("$[", "]"), ("{", "}"), ("${", "}"), ("{!", "}"), ("{$", "}"), ("%{", "}"),
    ("%", "%"), ("%%", "%%"), ("#", "#"), ("##", "##"), ("@@", "@@"), ("(*", "*)"), ("::", "::"), ("$", "$"),
    ("~", "~"), ("<", ">"), ("<%=", "%>"), ("<%", "%>"), ("*|", "|*"),
)  # fmt: skip
_ANYBODYS = re.compile(
    "|".join(rf"{re.escape(begin)} ?{_OF_READER} ?{re.escape(end)}" for begin, end in _MARKS_OF_ALL), re.I
)
"""A reader's mark in whatever system: nobody writes that as words."""
_GREETED = re.compile(
    r"\b(?:dear|hi|hello|hey|hallo|liebe[rs]?|bonjour|ch[eè]re?|salut|hola|querid[oa]|ciao|car[oa]|beste),? "
    r"((?:\[\[?|\{\{?|\$\{|<%=|<|%%?|##|@@|\(\*|\*\|) ?\w[\w .:|-]{0,40}?(?:\]\]?|\}\}?|%>|>|%%?|##|@@|\*\)|\|\*))",
    re.I,
)
"""Who is greeted by a mark is a reader."""
_EATEN = re.compile(r"\*\|[A-Z][\w:. -]{0,80}\|\*")
"""Mailchimp's, which Markdown takes for emphasis or for a table."""
_EMPHASIZED = re.compile(r"\|[A-Z][\w:. -]{0,80}\|\Z")
_CODE = {"code", "pre", "kbd", "samp", "tt", "textarea"}
_STRAIGHT = str.maketrans("“”„‘’", '"""\'\'')
_RAW = re.compile(r"\{%-?\s*raw\s*-?%\}.*?(?:\{%-?\s*endraw\s*-?%\}|\Z)", re.DOTALL)
_LIQUID_NAMES = {
    "site", "page", "layout", "content", "paginator", "jekyll", "theme", "include", "forloop", "tablerowloop", "true",
    "false", "nil", "null", "empty", "blank",
}  # fmt: skip
_LIQUID_SETS = re.compile(r"\{%-?\s*(?:assign|capture|for|tablerow|increment|decrement)\s+(\w+)")
_LIQUID = re.compile(r"\{\{-?\s*([\w.]+).{0,200}?\}\}|\{%-?\s*(?:if|unless|elsif|case|for)\b.{1,200}?%\}", re.DOTALL)
_OF_PEOPLE = re.compile(rf"(?<![\w.\"'])({_PEOPLE}|subscriber|recipient)\b")
_MARKS = ("{", "|", "%", "[", "$", "#", "@@", "(*", "::", "~", "<")


def leftover(sample: Sample) -> Iterator[Violation]:
    seen: set[str] = set()
    code = _code(sample)
    for text, element, where in _texts(sample):
        for pattern, found in _found(text):
            if found in seen or found in code or (pattern is _FOREIGN and _says(sample, found)):
                continue
            seen.add(found)
            place = _place(sample, found)
            what = f"{shorten(found, 50)!r} is left over in the {where}: the reader sees it as it is"
            yield Violation("error", what, place, element if element is not None else None)
        if element is not None and element.tag in {"em", "i"} and _EMPHASIZED.match(text) and text not in seen:
            seen.add(text)
            what = f"{f'*{text}*'!r} is left over in the {where}: the reader sees {text}"
            yield Violation("error", what, sample.sources.literal(f"*{text}*"), element)
    yield from _eaten(sample, seen, code)
    yield from _swallowed(sample)


def _found(text: str) -> Iterator[tuple[re.Pattern[str], str]]:
    """The marks in a text, and by which pattern; none that is a part of a longer one."""
    marks = []
    for pattern in (_LEFT, _ANYBODYS, _GREETED, _FOREIGN):
        group = 1 if pattern is _GREETED else 0
        marks += [(*match.span(group), pattern) for match in pattern.finditer(text)]
    end = 0
    for start, stop, pattern in sorted(marks, key=lambda mark: (mark[0], -mark[1])):
        if stop > end:
            end = stop
            yield pattern, text[start:stop]


def _place(sample: Sample, found: str) -> tuple[str, int] | None:
    """Where it stands; the post's quotes are straight still."""
    place, page = sample.sources.literal(found), sample.page
    if place is not None or page is None:
        return place
    for written in (found, found.translate(_STRAIGHT)):
        if (at := page.post.body.find(written)) >= 0:
            return sample.sources.post_name, page.post.body_line + page.post.body.count("\n", 0, at)
    return None


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
    known = {*_LIQUID_NAMES, *_LIQUID_SETS.findall(body)}
    for match in _LIQUID.finditer(body):
        asked = _OF_PEOPLE.search(match[1] or match[0])
        name = asked[1] if asked else match[1]
        if not name or name[0].isdigit() or name.split(".")[0] in known:
            continue
        what = f"{shorten(match[0], 50)!r} asks for the reader, whom Liquid does not know: it leaves nothing there"
        if asked is None:
            what = f"{shorten(match[0], 50)!r} asks for {name!r}, which Liquid does not know: it leaves nothing there"
        yield Violation("error", what, _line_of_post(sample, body, match))


def _eaten(sample: Sample, seen: set[str], code: str) -> Iterator[Violation]:
    """Merge tags that are not in the message as the post has them."""
    page = sample.page
    if page is None or page.post.personalize:
        return
    for match in _EATEN.finditer(page.post.body):
        found = match[0]
        if found not in seen and found[1:-1] not in seen and found not in code:
            seen.add(found)
            what = f"{found!r} is left over in the text: the reader sees {found[1:-1]}"
            yield Violation("error", what, _line_of_post(sample, page.post.body, match))


def _line_of_post(sample: Sample, body: str, match: re.Match[str]) -> tuple[str, int] | None:
    if sample.page is None:
        return None
    return sample.sources.post_name, sample.page.post.body_line + body.count("\n", 0, match.start())


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
    {"error": "`{{ }}`, `{% %}`, `*|X|*`, `%%x%%`, `{first_name}`, `[First name]`, `${x}`, `<%= %>`, "
              "`%recipient.x%`, `[UNSUBSCRIBE]`, `{: }` outside code, whatever mark stands after “Dear”; in a Jekyll "
              "post, Liquid that asks for a reader, or for a name that it does not know"},
    "The reader sees the machinery: “Dear {{ name }}”; or, where Liquid took it, “Dear ,”.",
    "To write to each reader by name, set `personalize: true` in the front matter and write {{ subscriber.name }}; to "
    "show such a mark to readers, put it into `code`.",
    "https://mailchimp.com/help/all-the-merge-tags-cheat-sheet/",
)  # fmt: skip
