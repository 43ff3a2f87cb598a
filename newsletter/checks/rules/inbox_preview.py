"""What the reader sees before opening: subject and preheader; and what must be there: unsubscribing, an address."""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from newsletter.checks.rule import Check, Place, Violation, shorten
from newsletter.checks.rules.links import link_name
from newsletter.checks.sample import Sample, element_text, squeeze
from newsletter.css.parse import Element

SUBJECT_MOST = 60
PREHEADER_FEWEST = 30
PREHEADER_MOST = 100
_LEAVE = re.compile(
    r"unsubscri|opt[- ]?out|(?:manage|change|update|edit) (?:your )?(?:e-?mail )?(?:subscription|preference)|"
    r"(?:subscription|e-?mail|newsletter) (?:settings|preferences)|abmeld|abbestell|austragen|désinscri|désabonn|"
    r"darse de baja|cancelar (?:la |tu |su )?su(?:b)?scripci|disiscri|annulla l.iscrizione|cancella.{0,12}iscrizione|"
    r"cancelar (?:a )?(?:inscri|subscri)|afmeld|uitschrijv|avregistrer|meld.? (?:deg|dig) (?:av|fra)|frameld|"
    r"peruuta|wypisz|zrezygnuj|odhlásit|отпис|відпис|配信停止|登録解除|退订|退訂|取消订阅|구독 ?취소|수신 ?거부|"
    r"إلغاء الاشتراك|הסר",
    re.IGNORECASE,
)
_LEAVE_URL = re.compile(r"unsub|opt-?out|preferences|list-manage", re.IGNORECASE)
_ONE_CLICK = "List-Unsubscribe=One-Click"
_MARKUP = re.compile(r"\]\([^()]{0,600}\)|https?://[^\s)>\]\"']+|<[^<>]{1,500}>")
_TEMPLATE = re.compile(r"\{[{%][^{}]{0,500}[}%]\}")
_WORD = re.compile(r"[^\W_]+")


def subject(sample: Sample) -> Iterator[Violation]:
    text = squeeze(sample.subject or "")
    place = sample.sources.key("subject", "title")
    if not text:
        yield Violation(
            "error", "the subject is empty: inboxes show “(no subject)”, and filters hold it against you", place
        )
        return
    if len(text) > SUBJECT_MOST:
        what = f"the subject has {len(text)} characters: phones show about 40, most inboxes {SUBJECT_MOST}"
        yield Violation("warning", what, place)
    letters = [letter for letter in text if letter.isalpha() and letter.upper() != letter.lower()]
    if len(letters) >= 8 and all(letter.isupper() for letter in letters):
        yield Violation("warning", "the subject is all capitals: it reads as shouting, and filters count it", place)


def preheader(sample: Sample) -> Iterator[Violation]:
    if sample.tree is None:
        return
    found = preheader_of(sample)
    place: Place = sample.sources.key("preheader", "subtitle", "description", "title")
    if not found:
        first = shorten(" ".join(squeeze(words.text) for words in sample.shown[:6]), 50)
        what = f"there is no preheader: beside the subject the inbox shows the first words, {first!r}"
        yield Violation("warning", what, place)
        return
    if found.casefold() == squeeze(sample.subject or "").casefold():
        yield Violation("warning", "the preheader repeats the subject: the inbox says the same thing twice", place)
    elif len(found) < PREHEADER_FEWEST:
        what = (
            f"the preheader {found!r} is short: inboxes have room for {PREHEADER_FEWEST} to {PREHEADER_MOST} characters"
        )
        yield Violation("warning", what, place)
    elif len(found) > PREHEADER_MOST:
        yield Violation(
            "warning", f"the preheader has {len(found)} characters: inboxes cut it at about {PREHEADER_MOST}", place
        )


def preheader_of(sample: Sample) -> str:
    """The hidden words before all that shows, or what an element named preheader or preview says; else empty."""
    first: list[str] = []
    holder = None
    for words in sample.words:
        named = _named_preheader(words.element)
        if sample.shows(words) and named is None:
            break
        here = named if named is not None else words.element
        if not (holder is None or _together(here, holder) or not sample.shows(words)):
            break
        holder = holder if holder is not None else here
        first.append(words.text)
    return squeeze("".join(first))


def _together(one: Element, other: Element) -> bool:
    return one is other or one in other.iterancestors() or other in one.iterancestors()


def _named_preheader(element: Element) -> Element | None:
    for node in (element, *element.iterancestors()):
        names = f"{node.get('class') or ''} {node.get('id') or ''}".lower()
        if ("preheader" in names or "preview" in names) and node.tag in {"div", "span", "p"}:
            return node
    return None


def text_part(sample: Sample) -> Iterator[Violation]:
    if sample.html is None:
        return
    if sample.text is None or not sample.text.text.strip():
        what = (
            "there is no plain text part: text-only clients and watches show nothing, and filters count it against you"
        )
        yield Violation("error", what)
        return
    says = len(_WORD.findall(" ".join(words.text for words in sample.shown)))
    text = len(_WORD.findall(re.sub(r"https?://\S+", " ", sample.text.text)))
    if says >= 20 and text * 2 < says:
        what = f"the plain text part has {text} words, the HTML {says}: whoever reads text misses most of it"
        yield Violation("warning", what)


def unsubscribe(sample: Sample) -> Iterator[Violation]:
    header = sample.header("List-Unsubscribe")
    targets = [uri.strip() for uri in re.findall(r"<([^<>]*)>", header or "")]
    config = "Set [unsubscribe] url or mailto in newsletter.toml."
    if header is None:
        what = "there is no List-Unsubscribe header: Gmail and Yahoo ask for it, and readers without it press “spam”"
        yield Violation("error", what, hint=config)
    else:
        if "=?" in header or not targets or not all(re.match(r"(?:https?|mailto):\S+\Z", uri, re.I) for uri in targets):
            what = "the List-Unsubscribe header is malformed: mailbox providers can't offer to unsubscribe"
            yield Violation(
                "error", what, hint="Write it as <https://…>, <mailto:…>, each in angle brackets (RFC 2369)."
            )
        elif any(uri.lower().startswith("http:") for uri in targets):
            what = "the List-Unsubscribe header names an http address: providers use https alone"
            yield Violation("error", what, hint=config)
        post = sample.header("List-Unsubscribe-Post")
        https = any(uri.lower().startswith("https:") for uri in targets)
        if https and post is None:
            what = "the List-Unsubscribe-Post header is missing: Gmail and Yahoo ask for one-click unsubscribe"
            yield Violation("error", what, hint=f"Add List-Unsubscribe-Post: {_ONE_CLICK} (RFC 8058).")
        elif post is not None and (post.replace(" ", "") != _ONE_CLICK or not https):
            what = "the List-Unsubscribe-Post header is malformed: there is no one-click unsubscribe"
            yield Violation("error", what, hint=f"It says {_ONE_CLICK}, beside an https address (RFC 8058).")
    if sample.tree is not None and not _visible_leave(sample, frozenset(targets)):
        what = "no visible link to unsubscribe: the law asks for one, and readers without it press “spam”"
        yield Violation(
            "error", what, hint='Put <a href="{{ unsubscribe_url }}"> into the template\'s footer. ' + config
        )


def _visible_leave(sample: Sample, targets: frozenset[str]) -> bool:
    read: set[Element] = set()
    for link in sample.all("a"):
        href = (link.get("href") or "").strip()
        if not href or sample.hidden(link):
            continue
        if sample.config is not None and targets and not _is_ours(href, targets):
            continue  # it leaves another provider's list
        if href in targets or _LEAVE_URL.search(href):
            return True
        if _LEAVE.search(link_name(link)):
            return True
        parent = link.getparent()
        if parent is None or parent in read:
            continue
        read.add(parent)
        around = element_text(parent)
        if len(around) < 200 and _LEAVE.search(around):  # "To unsubscribe, click here"
            return True
    return False


def _is_ours(href: str, targets: frozenset[str]) -> bool:
    """Whether an address is at one of the hosts, or of the mailboxes, by which this newsletter is left."""
    ours = {_host_or_mailbox(target) for target in targets}
    return _host_or_mailbox(href) in ours


def _host_or_mailbox(address: str) -> str:
    try:
        parts = urlsplit(address.strip())
        return (unquote(parts.path) if parts.scheme == "mailto" else parts.hostname or "").lower()
    except ValueError:
        return ""


def post_content(sample: Sample) -> Iterator[Violation]:
    """A layout may show an excerpt only: a run of five words of the post is enough, of a short one half of it."""
    if sample.post is None or sample.tree is None:
        return
    stretches = _TEMPLATE.split(sample.post.body[:100_000])
    said = max((_WORD.findall(_MARKUP.sub(" ", stretch).casefold()) for stretch in stretches), key=len)
    if len(said) < 2:
        return
    length = min(5, max(2, len(said) // 2))
    shown = " ".join(_WORD.findall(" ".join(words.text for words in sample.shown).casefold()))
    runs = (" ".join(said[at : at + length]) for at in range(len(said) - length + 1))
    if not any(f" {run} " in f" {shown} " for run in runs):
        what = "none of the post's words are in the message: the template shows the frame and leaves the post out"
        yield Violation("error", what)


def postal_address(sample: Sample) -> Iterator[Violation]:
    if sample.config is None:
        return
    wanted = _WORD.findall(sample.config.newsletter.postal_address.casefold())
    if not wanted:
        yield Violation(
            "error", "there is no postal address: the law asks for one in newsletters (CAN-SPAM, among others)"
        )
        return
    if sample.tree is not None:
        said = " ".join(_WORD.findall(" ".join(words.text for words in sample.shown).casefold()))
        if " ".join(wanted) not in said:
            what = "the postal address is not in the message: the law asks for it in newsletters"
            yield Violation("error", what, hint="Put {{ newsletter.postal_address }} into the template's footer.")


INBOX_PREVIEW = (
    Check(
        "subject", subject,
        {"error": "empty", "warning": "over 60 characters; all capitals"},
        "The subject decides whether it is opened; what is cut off is not read.",
        "Shorten the title, or set `subject:` in the front matter.",
        "https://support.google.com/a/answer/81126",
    ),
    Check(
        "preheader", preheader,
        {"warning": "missing, under 30 or over 100 characters, equal to the subject"},
        "Beside the subject the inbox shows the preheader, or else whatever words come first.",
        "Set `preheader:` or `subtitle:` to a sentence of 30 to 100 characters that adds to the subject.",
        "https://www.goodemailcode.com/email-code/preheader.html",
    ),
    Check(
        "text-part", text_part,
        {"error": "missing", "warning": "says less than half of what the HTML says"},
        "Text-only clients, watches and some screen reader users get this part; filters compare both.",
        "Write the template's .txt so that it has {{ post.content }}.",
        "https://www.rfc-editor.org/rfc/rfc2046#section-5.1.4",
    ),
    Check(
        "unsubscribe", unsubscribe,
        {"error": "no visible link; List-Unsubscribe or List-Unsubscribe-Post missing or malformed"},
        "A reader who can't leave presses “spam”, and that counts against every message you send.",
        "Set [unsubscribe] url or mailto, and link to {{ unsubscribe_url }} in the template.",
        "https://www.rfc-editor.org/rfc/rfc8058",
    ),
    Check(
        "post-content", post_content,
        {"error": "no five words of the post in a row"},
        "The reader gets a frame without a picture.",
        "Put {{ post.content }} into the template, or {{ post.excerpt }}.",
        "https://www.rfc-editor.org/rfc/rfc2046#section-5.1.4",
    ),
    Check(
        "postal-address", postal_address,
        {"error": "none in the config, or not in the message"},
        "Newsletters without one are against the law in many countries.",
        "Set [newsletter] postal_address in newsletter.toml.",
        "https://www.ftc.gov/business-guidance/resources/can-spam-act-compliance-guide-business",
    ),
)  # fmt: skip
