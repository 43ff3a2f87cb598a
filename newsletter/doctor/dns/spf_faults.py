"""What is wrong with an SPF record that is there, each fault with the record in which it is mended (RFC 7208).

Pure: what the record leads to was asked by `spf_walk`; whether it lets our relays in is `spf`'s business.
"""

from collections import Counter
from collections.abc import Sequence

from newsletter.compose.message.dkim_key import text_record
from newsletter.doctor.diagnosis import Diagnosis, Result, zone_lines
from newsletter.doctor.dns.spf_record import VERSION, SpfError, Term, read_spf
from newsletter.doctor.dns.spf_walk import LOOKUPS, TERMS, VOID, Walk, lets_everybody

CHECK = "spf"
LONGEST = 1_000
"""Characters of a record that still comes well through DNS."""
LONG = 450
"""Characters that fit, with what is around them, the 512 octets of a plain answer (section 3.4)."""
CROWDED = 1_232
"""Octets of a domain's TXT records, from which they come over TCP alone (DNS flag day 2020)."""
_PIECE = 400
_WIDE = {4: 8, 6: 20}
"""A network of this length or shorter is nobody's own."""


def faults_of(found: Walk, strings: Sequence[str], texts: Sequence[str], ours: Sequence[str]) -> list[Diagnosis]:
    """Everything that is wrong with a record and what it leads to.

    `strings`: those that it is made of; `texts`: all TXT records of the domain; `ours`: the terms of our relays.
    """
    if joined := joined_words(found.domain, strings, suspected=bool(found.errors)):
        return [joined]
    return [*_unusable(found, ours), *_written(found), *_opened(found, ours), *_counted(found), *_sized(found, texts)]


def joined_words(domain: str, strings: Sequence[str], *, suspected: bool = False) -> Diagnosis | None:
    """A record that can be read once there is a blank between its strings, which receivers join without one.

    `suspected`: it can be read without one too, and leads nowhere: `include:spf.example.net` and `-all` are one name.
    """
    for at in range(1, len(strings)):
        text = " ".join(("".join(strings[:at]), "".join(strings[at:])))
        if (_is_read("".join(strings)) and not suspected) or not _is_read(text):
            continue
        last, first = f" {strings[at - 1]}".rpartition(" ")[2], strings[at].partition(" ")[0]
        what = f"SPF of {domain} can't be used: strings are joined without a blank, so {last} and {first} are one word"
        return Diagnosis(CHECK, "fail", what, zone_lines(domain, text_record(domain, text), instead="it"))
    return None


def _is_read(text: str) -> bool:
    try:
        return text.lower().startswith(f"{VERSION} ") and bool(read_spf(text))
    except SpfError:
        return False


def _unusable(found: Walk, ours: Sequence[str]) -> list[Diagnosis]:
    """What makes receivers give the record up."""
    diagnoses = []
    for error in found.errors:
        what = f"SPF of {found.domain} can't be used, so nothing is authorised by it: {error.what}"
        fix = _instead(found, mended_terms(found, error, ours))
        diagnoses.append(Diagnosis(CHECK, "fail", what, f"{error.hint or 'take that term out'}. {fix}"))
    for trouble in dict.fromkeys(found.troubles):
        what = f"SPF of {found.domain} leads to {trouble}; receivers put mail off while that lasts"
        diagnoses.append(Diagnosis(CHECK, "fail", what, "take that term out, or tell who keeps that domain"))
    return diagnoses


def mended_terms(found: Walk, error: SpfError, ours: Sequence[str]) -> list[str]:
    """The record's terms without the word at fault, or with the one that was meant.

    Our relays are in it where nobody is left.
    """
    words = found.record.split()[1:]
    at = len(words) - 1 - words[::-1].index(error.word) if error.word in words else len(words)
    words[at : at + 1] = [error.meant] if error.meant else []
    if not any(not word.lower().lstrip("+-~?").startswith(("all", "exp=")) for word in words):
        words = [*ours, *words]
    if not words or not words[-1].lower().endswith("all"):
        words += [] if any(word.lower().startswith("redirect=") for word in words) else ["~all"]
    return words


def _written(found: Walk) -> list[Diagnosis]:
    """What is wrong with the record as it is written."""
    if not found.terms:
        return []
    diagnoses = []
    names = [term.name for term in found.terms]
    terms = found.terms
    ends = [term for term in terms if term.name == "all"]
    if any(map(lets_everybody, terms)):
        what = f"SPF of {found.domain} lets everybody send for it ({found.record})"
        diagnoses.append(Diagnosis(CHECK, "fail", what, _instead(found, _closed(terms))))
    elif wide := next(filter(_is_wide, terms), None):
        what = f"SPF of {found.domain} lets {wide.text} send for it, a network of many owners"
        diagnoses.append(Diagnosis(CHECK, "warn", what, "name the relay's own network"))
    if "ptr" in names:
        what = f"SPF of {found.domain} uses `ptr`, which receivers skip (RFC 7208 section 5.5)"
        diagnoses.append(Diagnosis(CHECK, "warn", what, _instead(found, [t.text for t in terms if t.name != "ptr"])))
    for domain in dict.fromkeys(found.pointing):
        what = f"SPF of {found.domain} leads to the record of {domain}, which uses `ptr`: slow, and receivers skip it"
        diagnoses.append(Diagnosis(CHECK, "warn", what, f"tell {domain}"))
    if "redirect" in names and ends:
        what = f"SPF of {found.domain} has redirect= beside `all`, so redirect= is never looked at"
        diagnoses.append(
            Diagnosis(CHECK, "warn", what, _instead(found, [t.text for t in terms if t.name != "redirect"]))
        )
    if not ends and "redirect" not in names:
        what = f"SPF of {found.domain} does not end with `all`: it says nothing of who may not send"
        diagnoses.append(Diagnosis(CHECK, "warn", what, _instead(found, [*(term.text for term in terms), "~all"])))
    if any(term.qualifier == "?" for term in ends):
        what = f"SPF of {found.domain} ends with ?all: it says nothing of who may not send"
        diagnoses.append(Diagnosis(CHECK, "warn", what, _instead(found, _closed(terms))))
    if ends and any(term.qualifier and term.name != "all" for term in terms[terms.index(ends[0]) :]):
        what = f"SPF of {found.domain} has terms after {ends[0].text}, which nobody reads"
        order = [term.text for term in terms if term not in ends] + [ends[0].text]
        diagnoses.append(Diagnosis(CHECK, "warn", what, _instead(found, order)))
    if twice := [text for text, count in Counter(term.text.lower() for term in terms).items() if count > 1]:
        what = f"SPF of {found.domain} has {', '.join(twice)} twice, and each time counts"
        diagnoses.append(
            Diagnosis(
                CHECK, "warn", what, _instead(found, list({t.text.lower(): t.text for t in terms[::-1]}.values())[::-1])
            )
        )
    return diagnoses


def _opened(found: Walk, ours: Sequence[str]) -> list[Diagnosis]:
    """Records of others that let everybody send for us."""
    diagnoses = []
    for text in dict.fromkeys(found.opened):
        what = f"SPF of {found.domain} lets everybody send for it, because the record that {text} leads to does"
        texts = [term.text for term in found.terms]
        kept = [*(one for one in ours if one not in (text, *texts)), *(one for one in texts if one != text)]
        ends = kept if any(term.name == "all" for term in found.terms) else [*kept, "~all"]
        diagnoses.append(Diagnosis(CHECK, "fail", what, _instead(found, ends)))
    return diagnoses


def _counted(found: Walk) -> list[Diagnosis]:
    """What is wrong with what it leads to."""
    diagnoses = []
    if found.lookups > LOOKUPS:
        many = f"over {TERMS}" if found.lookups > TERMS else str(found.lookups)
        what = f"SPF of {found.domain} takes {many} look-ups, and {LOOKUPS} are allowed: receivers end with an error"
        diagnoses.append(Diagnosis(CHECK, "fail", what, _flatter(found)))
    told = {error.word for error in found.errors}
    if void := [(term, by) for term, by in found.void if by not in told]:
        lost = ", ".join(dict.fromkeys(term if term == by else f"{term} (in {by})" for term, by in void))
        result: Result = "fail" if len(void) > VOID else "warn"
        what = f"SPF of {found.domain}: {lost}: nothing is there ({len(void)} void look-ups, {VOID} are allowed)"
        kept = [term.text for term in found.terms if term.text not in {by for _, by in void}]
        theirs = "tell who keeps that record, or: " if any(term != by for term, by in void) else ""
        diagnoses.append(Diagnosis(CHECK, result, what, theirs + _instead(found, kept)))
    return diagnoses


def _flatter(found: Walk) -> str:
    """How to get by with fewer look-ups: networks in place of the includes that cost most."""
    texts, left = [term.text for term in found.terms], found.lookups
    for term, (cost, networks) in sorted(found.included.items(), key=lambda pair: -pair[1][0]):
        if left > LOOKUPS and networks and term.startswith(("include:", "+include:")):
            at = texts.index(term)
            texts[at : at + 1] = [one for one in dict.fromkeys(networks) if one not in texts]
            left -= cost
    costly = ", ".join(f"{term} ({cost})" for term, (cost, _) in found.included.items())
    fix = "take out what no longer sends" + (f"; these cost look-ups: {costly}" if costly else "")
    if left > LOOKUPS or len(" ".join(texts)) > LONGEST:
        return fix
    return f"{fix}. Or name networks, and look now and then whether they have changed:\n{_instead(found, texts)}"


def _sized(found: Walk, texts: Sequence[str]) -> list[Diagnosis]:
    """Records that are too long for an answer over UDP."""
    diagnoses = []
    if len(found.record) > LONG:
        what = (
            f"SPF of {found.domain} is {len(found.record)} characters long; over {LONG} it may not fit an answer of "
            "512 octets, and some receivers lose it"
        )
        diagnoses.append(Diagnosis(CHECK, "warn", what, _divided(found)))
    octets = sum(len(text.encode()) + len(text) // 255 + 13 for text in texts) + len(found.domain) + 29
    if octets > CROWDED:
        what = (
            f"the TXT records of {found.domain} are {octets:,} octets together, its SPF record among them: over "
            f"{CROWDED:,} they come over TCP alone, which some networks stop"
        )
        diagnoses.append(Diagnosis(CHECK, "warn", what, "take out what no longer proves anything to anybody"))
    return diagnoses


def _divided(found: Walk) -> str:
    """The record as several, included by a short one."""
    hosts = [term.text for term in found.terms if term.qualifier and term.name != "all"]
    rest = [term.text for term in found.terms if term.text not in hosts]
    pieces, line = list[str](), ""
    for text in hosts:
        if line and len(line) + len(text) > _PIECE:
            pieces, line = [*pieces, line], ""
        line = f"{line} {text}".strip()
    pieces.append(line)
    if found.lookups + len(pieces) > LOOKUPS or any(term.qualifier not in ("+", "") for term in found.terms[:-1]):
        return "name networks in place of single addresses, and take out what no longer sends"
    names = [f"_spf{number}.{found.domain}" for number in range(1, len(pieces) + 1)]
    lines = [text_record(name, f"{VERSION} {piece} -all") for name, piece in zip(names, pieces, strict=True)]
    main = " ".join([VERSION, *(f"include:{name}" for name in names), *rest])
    return zone_lines(found.domain, *lines, text_record(found.domain, main), instead=f'"{found.record}"')


def _is_wide(term: Term) -> bool:
    if term.name not in ("ip4", "ip6") or term.qualifier != "+":
        return False
    return term.network.prefixlen <= _WIDE[term.network.version]


def _closed(terms: Sequence[Term]) -> list[str]:
    return [term.text for term in terms if term.name != "all" and not lets_everybody(term)] + ["~all"]


def with_terms(found: Walk, added: Sequence[str]) -> str:
    """The record with more terms, before the first that may keep them from being read."""
    texts = [term.text for term in found.terms]
    ends = (at for at, term in enumerate(found.terms) if term.qualifier != "+" or term.name == "all")
    end = next(ends, len(texts))
    return _instead(found, [*texts[:end], *added, *texts[end:]])


def _instead(found: Walk, terms: Sequence[str]) -> str:
    line = text_record(found.domain, " ".join([VERSION, *terms]))
    return zone_lines(found.domain, line, instead=f'"{found.written or found.record}"')
