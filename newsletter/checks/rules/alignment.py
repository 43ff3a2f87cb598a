"""Does a signature speak for the author? DMARC asks that its domain and that of From: belong together (RFC 7489 3.1).

Without DNS: domains that lie below another, or share a registered name as far as its labels tell, may be together; what
the domain's own policy says (`doctor` asks it) is not known here.
"""

from collections.abc import Iterator
from pathlib import Path

from newsletter.audience.address import ascii_domain
from newsletter.checks.rule import Check, Violation
from newsletter.checks.sample import Sample

_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gob", "gov", "gv", "ltd", "me", "net", "nom", "or", "org", "sch"})
"""Labels below a country's, under which names are registered: `example.co.uk`."""


def dkim_alignment(sample: Sample) -> Iterator[Violation]:
    if sample.config is None:
        return
    named = sample.config.dkim.domain
    domains = [_ascii(one) for one in ([named] if isinstance(named, str) else named) if one]
    author = _ascii(sample.config.newsletter.author.rpartition("@")[2].strip(" >"))
    if not (domains and author) or any(_registered(one) == _registered(author) for one in domains):
        return
    where = sample.config.where("dkim", "domain")
    what = (
        f"signed by {', '.join(domains)}, which does not speak for the author's {author}: DMARC takes no notice of it"
    )
    hint = f'Write [dkim] domain = "{author}", with a key of its own: `newsletter dkim generate --domain {author}`.'
    yield Violation("warning", what, (Path(where["path"]).name, where["line"] or 1), hint=hint)


def _ascii(domain: str) -> str:
    try:
        return ascii_domain(domain.strip().lower().rstrip("."))
    except UnicodeError:
        return domain.strip().lower()


def _registered(domain: str) -> str:
    """The name that somebody registered, as far as it can be told from its labels."""
    labels = domain.split(".")
    is_country = len(labels[-1]) == 2 and len(labels) > 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if is_country else -2 :])


ALIGNMENT = Check(
    "dkim-alignment", dkim_alignment,
    {"warning": "no `[dkim] domain` belongs with the domain of `[newsletter] author`"},
    "Mailbox providers see a mail that nobody of the author's domain has signed: it goes to spam, or is refused.",
    "Sign with the author's own domain.",
    "https://www.rfc-editor.org/rfc/rfc7489#section-3.1",
)  # fmt: skip
