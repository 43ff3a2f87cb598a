"""Decide what of a page's style sheets goes into style attributes, and what stays in the head.

What holds for an element whoever reads goes into its style attribute, all of it, the strongest last, so that a
fallback for older clients stays; only what a later declaration replaces everywhere is left out. What waits for a
screen, a mood or a client (`@media`, `:hover`), or for an element that a client adds, stays in the head. A style
attribute is stronger than the head, so a declaration there becomes `!important` where it won before, and only there:
nothing is lost, and nothing wins that did not. How that is done is left to `head`, and writing it to `stylesheet`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from newsletter.css.cascade import Cascade, Matched, own_strength
from newsletter.css.head import Kept, Static, Waiting, mark_copies, mend_order, weigh
from newsletter.css.matching import Match, Matcher
from newsletter.css.parse import Element, Rule, Sheet, declarations
from newsletter.css.properties import holds_everywhere, longhands
from newsletter.css.selectors import Selector

_MOST_ROUNDS = 20  # of mending the order in the head; two are the most seen
_NOT_SHOWN = {"head", "title", "meta", "link", "base", "style", "script", "template"}
_FOR_OLD = {"word-wrap", "grid-gap"}  # older names, which a newer one does not replace everywhere


@dataclass(frozen=True, slots=True)
class Inlining:
    """The decision. `kept` is, by rule, the selectors that stay; a rule with none is gone."""

    styles: Mapping[Element, str]  # new style attributes
    classes: Mapping[Element, str]  # new class attributes
    kept: Mapping[Rule, Sequence[Kept]]
    promoted: Sequence[Kept]  # what the head needs besides
    exhausted: bool  # the sheet is too much to be held against the page


def decide(
    elements: Sequence[Element], sheets: Sequence[Sheet], steps: int, complete: Collection[Sheet] = ()
) -> Inlining:
    """What each of `elements` gets, and what stays.

    `steps` bounds the matching. Of sheets in `complete`, what matches nothing waits for nothing.
    """
    items = [item for sheet in sheets for item in sheet.items]
    page = Cascade(items, Matcher(steps))
    keeper = _Keeper(items, elements, {item for sheet in complete for item in sheet.items})
    styles: dict[Element, str] = {}
    elements = [element for element in elements if element.tag not in _NOT_SHOWN]
    waiting: list[tuple[Element, list[Static], list[Waiting]]] = []
    for element in elements:
        statics, conditional = _sorted_out(element, page, keeper)
        if conditional:
            waiting.append((element, statics, conditional))
        elif any(not static.own for static in statics):
            styles[element] = _style(element, statics)
    if sum(len(conditional) ** 2 for _, _, conditional in waiting) > steps:
        return Inlining({}, {}, {}, (), True)
    for element, statics, conditional in waiting:
        weigh(element, statics, conditional)
    for _ in range(_MOST_ROUNDS):
        if sum(mend_order(element, statics, conditional) for element, statics, conditional in waiting) == 0:
            break
    for element, statics, _ in waiting:
        if any(not static.own or static.important != static.item.important for static in statics):
            styles[element] = _style(element, statics)
    keeper.promoted = [one.kept for _, _, conditional in waiting for one in conditional if one.kept.is_promoted]
    return Inlining(styles, keeper.marked(elements), keeper.result(), keeper.promoted, page.matcher.exhausted)


class _Keeper:
    """Which selectors of which rules stay, and why."""

    def __init__(self, items: Iterable[object], elements: Sequence[Element], complete: Collection[object]) -> None:
        self.promoted: list[Kept] = []
        self._complete = complete
        self._kept: dict[tuple[Rule, Selector], Kept] = {}
        self._inlined: set[tuple[Rule, Selector]] = set()
        self._rules = [(order, item) for order, item in enumerate(items) if isinstance(item, Rule)]
        self._tags = {str(element.tag) for element in elements}

    def wait(self, matched: Matched) -> Kept:
        """The selector stays for this element's sake."""
        key = matched.rule, matched.selector
        if key not in self._kept:
            self._kept[key] = Kept(matched.rule, matched.selector, matched.order)
        return self._kept[key]

    def inlined(self, matched: Matched) -> None:
        """The selector need not stay, unless for another element's sake."""
        self._inlined.add((matched.rule, matched.selector))

    def result(self) -> dict[Rule, list[Kept]]:
        """By rule, the selectors that stay, in order."""
        found: dict[Rule, list[Kept]] = {}
        for order, rule in self._rules:
            for selector in rule.selectors:
                kept = self._kept.get((rule, selector))
                if kept is None and self._stays(rule, selector):
                    kept = Kept(rule, selector, order)
                if kept is not None:
                    found.setdefault(rule, []).append(kept)
        return found

    def _stays(self, rule: Rule, selector: Selector) -> bool:
        """Whether a selector that waits for none of the elements may mean one that a client adds."""
        if conditional(rule) or selector.pseudo_element or any(one.name == "root" for one in selector.subject.pseudos):
            return True
        if (rule, selector) in self._inlined or rule in self._complete:
            return False
        subject = selector.subject
        bare = subject.tag in _OF_AUTHORS and not (subject.ids or subject.classes or subject.attributes)
        return not (bare and subject.tag not in self._tags)

    def marked(self, elements: Sequence[Element]) -> dict[Element, str]:
        """The class attributes with our marks, whose names are free in the page."""
        taken = {name for element in elements for name in (element.get("class") or "").split()}
        marks = mark_copies([*self._kept.values(), *self.promoted], taken)
        return {element: " ".join([*(element.get("class") or "").split(), *names]) for element, names in marks.items()}


_OF_AUTHORS = {
    "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "kbd", "samp", "ul", "ol", "li", "dl", "dt",
    "dd", "hr", "figure", "figcaption", "caption", "th", "thead", "tfoot", "del", "ins", "mark", "sub", "sup",
    "small", "details", "summary", "abbr", "cite", "q", "article", "section", "header", "footer", "main", "nav",
    "aside", "video", "audio",
}  # fmt: skip
"""Elements that authors write and no client adds: a rule for one that the page lacks has nothing to wait for."""


def conditional(rule: Rule) -> bool:
    """Whether something around the rule may keep it from applying; a layer does not."""
    return any(at_rule.name != "layer" for at_rule in rule.around)


def _sorted_out(element: Element, page: Cascade, keeper: _Keeper) -> tuple[list[Static], list[Waiting]]:
    """What goes into the style attribute, and what waits in the head; each with the strongest last."""
    own = declarations(element.get("style") or "")
    statics = [Static(item, own_strength(item), True, item.important) for item in own]
    waiting: list[Waiting] = []
    for matched in page.matched(element):
        if matched.selector.pseudo_element:
            keeper.wait(matched)
            continue
        certain = matched.match is Match.YES and not conditional(matched.rule)
        inline = certain and not _is_everything(matched.selector)
        if inline:
            keeper.inlined(matched)
            statics += [
                Static(item, page.strength(item, matched), False, item.important) for item in matched.rule.declarations
            ]
        else:
            kept = keeper.wait(matched)
            kept.elements.append(element)
            waiting += [
                Waiting(kept, index, page.strength(item, matched))
                for index, item in enumerate(matched.rule.declarations)
            ]
    statics.sort(key=attrgetter("strength"))
    waiting.sort(key=attrgetter("strength", "index"))
    for static in [static for static in statics if static.item.value.lower() == "revert-layer" and not static.own]:
        statics = [one for one in statics if not _reverted(one, static)]
    return statics, waiting


def _reverted(one: Static, by: Static) -> bool:
    """Whether a `revert-layer`, which means another thing in a style attribute, takes a declaration back, or itself."""
    same_layer = one.strength[:3] == by.strength[:3]
    return one is by or (same_layer and one.item.name == by.item.name and one.strength < by.strength)


def _is_everything(selector: Selector) -> bool:
    """Whether it means so much (`*`, `.post *`, `:not(.x)`) that it is better said once, in the head."""
    subject = selector.subject
    named = subject.tag or subject.ids or subject.classes or subject.attributes
    return not named and all(pseudo.name == "not" for pseudo in subject.pseudos)


def _style(element: Element, statics: Sequence[Static]) -> str:
    """The style attribute: what the author wrote there as it was, between what is weaker and what is stronger."""
    covered: set[str] = set()
    seen: set[tuple[str, str, bool]] = set()
    before: list[str] = []
    behind: list[str] = []
    among_important = any(static.item.important and not static.own for static in statics)
    for static in reversed(statics):
        item = static.item
        sets = longhands(item.name)
        written = (item.name, item.value, static.important)
        needless = written in seen or (sets <= covered and item.name not in _FOR_OLD and item.name[0] != "-")
        seen.add(written)
        if holds_everywhere(item.name, item.value, item) is True:
            covered |= sets
        again = static.important if not item.important else among_important
        if (static.own and again) or not (static.own or needless):
            text = f"{item.name}:{item.value}{' !important' if static.important else ''}"
            (behind if item.important or static.own else before).append(text)
    raw = (element.get("style") or "").strip().rstrip(";").rstrip()
    return "; ".join([*reversed(before), *([raw] if raw else []), *reversed(behind)])
