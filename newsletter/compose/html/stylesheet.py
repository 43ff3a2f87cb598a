"""Write what stays of a style sheet in the head, and what clients find in conditional comments alone.

What stays, and what is `!important` in it, is decided in `css/inlining`. Imports stay, for the clients that load them;
composing never touches the network.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from newsletter.css.head import Kept
from newsletter.css.inlining import conditional
from newsletter.css.parse import AtRule, Declaration, Rule, Sheet, Verbatim

_DROPPED = {"charset"}


def is_untouched(sheet: Sheet, kept: Mapping[Rule, Sequence[Kept]]) -> bool:
    """Whether all of a sheet stays as it was written."""
    if sheet.nested:
        return False
    for item in sheet.items:
        if isinstance(item, Verbatim):
            if item.name in _DROPPED:
                return False
            continue
        stays = kept.get(item, ())
        if len(stays) < len(item.selectors) or not all(one.untouched for one in stays):
            return False
    return True


def head_css(sheet: Sheet, kept: Mapping[Rule, Sequence[Kept]], inside_media: bool = False) -> str:
    """What stays of one sheet; `inside_media` where the outermost at-rule is the element's `media`."""
    pieces = [piece for item in sheet.items for piece in _pieces(item, kept)]
    if inside_media:
        pieces = [(around[1:], text) for around, text in pieces]
    layered = any(at_rule.name == "layer" for around, _ in pieces for at_rule in around)
    lines: list[str] = []
    open_rules: tuple[AtRule, ...] = ()
    for around, text in pieces:
        if text.startswith("@layer") and not layered:
            continue
        common = sum(1 for one, other in zip(open_rules, around, strict=False) if one is other)
        lines += ["}"] * (len(open_rules) - common)
        lines += [f"@{at_rule.name} {at_rule.prelude}".rstrip() + " {" for at_rule in around[common:]]
        lines.append(text)
        open_rules = around
    lines += ["}"] * len(open_rules)
    return _safe("\n".join(lines))


def promoted_css(promoted: Iterable[Kept]) -> str:
    """What has gone into style attributes, and must be said in the head too."""
    return _safe("\n".join(text for one in promoted for text in _copies(one)))


def comment_css(sheet: Sheet, keys: frozenset[str]) -> str:
    """The rules for elements with one of these classes and ids (`.btn`), which stand in conditional comments."""
    found = []
    for rule in sheet.rules:
        meant = [selector.text for selector in rule.selectors if selector.subject.key in keys]
        if meant and not conditional(rule):
            found.append(_rule(meant, ((item, item.important) for item in rule.declarations)))
    return _safe("\n".join(found)).replace("--", "-\\2d ")


def _pieces(item: Rule | Verbatim, kept: Mapping[Rule, Sequence[Kept]]) -> Iterator[tuple[tuple[AtRule, ...], str]]:
    """What stays of an item, each with the at-rules around it."""
    if isinstance(item, Verbatim):
        if item.name not in _DROPPED:
            yield item.around, item.text
        return
    if not item.declarations:
        return
    stays = kept.get(item, ())
    # A layer would turn the order of what is important; where elements are known, the order is seen to.
    unlayered = tuple(one for one in item.around if one.name != "layer")
    for concerned, alike in groupby(stays, key=lambda one: bool(one.elements)):
        for _, same in groupby(alike, key=lambda one: [declared.important for declared in one.declarations]):
            group = list(same)
            texts = [one.selector.text for one in group]
            items = [(declared.item, declared.important) for declared in group[0].declarations]
            yield unlayered if concerned else item.around, _rule(texts, items)
    yield from ((unlayered, text) for one in stays for text in _copies(one))


def _copies(kept: Kept) -> Iterator[str]:
    for copy in kept.copies:
        text = kept.selector.text + f".{copy.mark}" * copy.classes + ":not(#_)" * copy.ids
        yield _rule([text], [(each.item, each.copied_important and not copy.loses) for each in copy.declarations])


def _rule(selectors: Sequence[str], items: Iterable[tuple[Declaration, bool]]) -> str:
    # What was `!important` before wins over its neighbours still, so it stands behind them.
    ordered = sorted(items, key=lambda pair: pair[0].important)
    body = "; ".join(f"{item.name}: {item.value}{' !important' if important else ''}" for item, important in ordered)
    return f"{', '.join(selectors)} {{{body}}}"


def _safe(css: str) -> str:
    """Strings may hold `</style>` once their escapes are read."""
    return css.replace("</", "\\3c /").replace("<!--", "\\3c !--")
