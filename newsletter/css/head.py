"""What stays in the head, and how strong it must be there, so that it wins where it won in the author's sheet.

A declaration is `!important` where it beats a style attribute. Where it must not, for another element, the rule stays
as it is, and the elements where it must get a class of ours, with a stronger copy for them; the same where `!important`
on one rule has turned the order between two of the head.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from operator import attrgetter

from newsletter.css.cascade import Strength
from newsletter.css.parse import Declaration, Element, Rule
from newsletter.css.properties import ALL, holds_everywhere, longhands, overlap
from newsletter.css.selectors import Selector

_PROMOTED = sys.maxsize  # the order of what stands behind all rules


@dataclass(slots=True, eq=False)
class KeptDeclaration:
    """A declaration of a rule that stays."""

    item: Declaration
    wins: set[Element] = field(default_factory=set)  # where it beats a style attribute
    loses: set[Element] = field(default_factory=set)  # where it must not
    ids: int = 0  # added to the selector's specificity, to stand above another
    classes: int = 0
    only_copied: bool = False  # the rule itself has gone into style attributes

    @property
    def copied_important(self) -> bool:
        """Whether it is `!important` in the stronger copy."""
        return self.item.important or bool(self.wins)

    @property
    def important(self) -> bool:
        """Whether it is `!important` in the rule itself."""
        return self.copied_important and not self.loses and not self.only_copied

    def needs_copy(self, element: Element) -> bool:
        """Whether this element needs it in a stronger copy."""
        if self.ids or self.classes or self.only_copied:
            return True
        return bool(self.loses) and element not in self.loses and (self.item.important or element in self.wins)

    def important_for(self, element: Element) -> bool:
        """Whether it is `!important` for this element, by the rule or by its copy."""
        return self.important or (self.copied_important and element not in self.loses and self.needs_copy(element))


@dataclass(frozen=True, slots=True)
class Copy:
    """A stronger copy of a rule, for elements with a class of ours."""

    mark: str
    ids: int
    classes: int
    loses: bool  # against the style attribute, and stands above another rule of the head all the same
    declarations: tuple[KeptDeclaration, ...]


@dataclass(slots=True, eq=False)
class Kept:
    """A selector of a rule that stays, and the elements of the page that it means, for certain or at times."""

    rule: Rule
    selector: Selector
    order: int
    declarations: tuple[KeptDeclaration, ...] = ()
    elements: list[Element] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.declarations = tuple(map(KeptDeclaration, self.rule.declarations))

    @property
    def is_promoted(self) -> bool:
        """Whether it stands for a declaration of a style attribute."""
        return self.order == _PROMOTED

    @property
    def untouched(self) -> bool:
        """Whether it is as strong as it was written."""
        return not self.copies and all(one.important == one.item.important for one in self.declarations)


@dataclass(slots=True)
class Static:
    """A declaration that goes into the style attribute."""

    item: Declaration
    strength: Strength
    own: bool
    important: bool

    @property
    def invalid(self) -> bool:
        """Whether no browser takes it."""
        return holds_everywhere(self.item.name, self.item.value, self.item) is False


@dataclass(slots=True)
class Waiting:
    """A declaration in the head, as it concerns one element."""

    kept: Kept
    index: int  # of the declaration in the rule
    strength: Strength
    below: list[Static] = field(default_factory=list)  # what it must not win over, though it may in another property

    @property
    def declared(self) -> KeptDeclaration:
        """The declaration."""
        return self.kept.declarations[self.index]


def weigh(element: Element, statics: list[Static], waiting: list[Waiting]) -> None:
    """For each declaration in the head: does it win over the style attribute, or lose, property by property?

    What must stand in the head besides is put to those who are `waiting`, the strongest last.
    """
    strongest: dict[str, Static] = {}
    for static in statics:
        if not static.invalid:
            for name in _set_by(static.item.name, strongest):
                strongest[name] = static
    for one in waiting:
        above: list[str] = []
        for name in _set_by(one.declared.item.name, strongest):
            top = strongest.get(name) or (strongest.get(ALL) if overlap(ALL, name) else None)
            if top is None or top.strength == one.strength:
                continue
            if one.strength > top.strength:
                above.append(name)
            else:
                one.below.append(top)
        if above:
            one.declared.wins.add(element)
            _weaken(statics, above)
    for one in tuple(waiting):
        if element in one.declared.wins:
            _keep_above(one, element, statics, waiting)
        elif not all(static.important for static in one.below):
            one.declared.loses.add(element)


def _set_by(name: str, known: Mapping[str, object]) -> Iterable[str]:
    return [ALL, *(one for one in known if one != ALL and overlap(ALL, one))] if name == ALL else longhands(name)


def _weaken(statics: Sequence[Static], names: Iterable[str]) -> None:
    """Take `!important` off what the head must win over, and off what stands in order with that."""
    touched = set(names)
    changed = True
    while changed:
        changed = False
        for static in statics:
            sets = longhands(static.item.name)
            if not static.important or static.own:
                continue
            if ALL in {static.item.name, *touched} or not sets.isdisjoint(touched):
                static.important = False
                touched |= sets
                changed = True


def _keep_above(one: Waiting, element: Element, statics: Sequence[Static], waiting: list[Waiting]) -> None:
    """Let what is stronger than an `!important` declaration of the head win over it: there, or in the head too."""
    for top in one.below:
        group = [top, *(static for static in statics[statics.index(top) + 1 :] if _overlap(static, top))]
        if not any(_is_beaten(element, static, waiting) for static in group):
            for static in group:
                static.important = True
            continue
        there = {id(other.declared.item) for other in waiting if other.kept.is_promoted}
        waiting += [_promote(element, static) for static in group if id(static.item) not in there]
    waiting.sort(key=attrgetter("strength", "index"))


def _promote(element: Element, static: Static) -> Waiting:
    """Say a declaration of the style attribute in the head too: it stands between two there, as no attribute can."""
    kept = Kept(Rule((), (static.item,), (), 0), Selector("", (), (0, 0, 0)), _PROMOTED, elements=[element])
    kept.declarations[0].wins.add(element)
    kept.declarations[0].only_copied = True
    return Waiting(kept, 0, static.strength)


def _is_beaten(element: Element, static: Static, waiting: Iterable[Waiting]) -> bool:
    return any(
        one.strength > static.strength
        and element in one.declared.wins
        and overlap(one.declared.item.name, static.item.name)
        for one in waiting
    )


def _overlap(one: Static, other: Static) -> bool:
    return overlap(one.item.name, other.item.name)


def mend_order(element: Element, statics: Sequence[Static], waiting: list[Waiting]) -> bool:
    """Keep the order of what waits for an element, the strongest last; whether anything had to be done."""
    changed = False
    for place, one in enumerate(now := tuple(waiting)):
        for weaker in now[:place]:
            item, other = one.declared.item, weaker.declared.item
            if item is other or not overlap(item.name, other.name):
                continue
            important = one.declared.important_for(element)
            if weaker.declared.important_for(element):
                if not important:
                    if _settled(one, other.name):
                        continue
                    one.declared.wins.add(element)
                    one.declared.loses.discard(element)
                    _keep_above(one, element, statics, waiting)
                    changed = True
            elif important:
                continue
            if _place(weaker, element) > _place(one, element):
                _raise(one, weaker)
                changed = True
    return changed


def mark_copies(kept: Iterable[Kept], taken: set[str]) -> dict[Element, list[str]]:
    """Give each stronger copy a class that is not `taken`; the classes of each element that needs one."""
    found: dict[Element, list[str]] = {}
    number = 0
    for one in kept:
        groups: dict[tuple[int, int, bool, tuple[Element, ...]], list[KeptDeclaration]] = {}
        for declared, loses in product(one.declarations, (False, True)):
            needing = (element for element in one.elements if declared.needs_copy(element))
            if meant := tuple(element for element in needing if (element in declared.loses) == loses):
                groups.setdefault((declared.ids, declared.classes, loses, meant), []).append(declared)
        for (ids, classes, loses, meant), group in groups.items():
            number += 1
            while f"w{number}" in taken:
                number += 1
            one.copies.append(Copy(f"w{number}", ids, max(1, classes), loses, tuple(group)))
            for element in meant:
                found.setdefault(element, []).append(f"w{number}")
    return found


def _settled(one: Waiting, name: str) -> bool:
    """Whether the style attribute has the last word on all that a declaration sets in common with `name`."""
    common = longhands(one.declared.item.name) & longhands(name)
    below: set[str] = set().union(*(longhands(static.item.name) for static in one.below))
    return ALL not in {one.declared.item.name, name} and common <= below


def _place(one: Waiting, element: Element) -> tuple[tuple[int, int, int], int, bool, int]:
    """Specificity and order, as they stand in the head, where a rule has what was `!important` last."""
    a, b, c = one.kept.selector.specificity
    classes = max(1, one.declared.classes) if one.declared.needs_copy(element) else 0
    return (a + one.declared.ids, b + classes, c), one.kept.order, one.declared.item.important, one.index


def _raise(one: Waiting, weaker: Waiting) -> None:
    """Make a declaration more specific than a weaker one that stands above it."""
    ids, classes, _ = one.kept.selector.specificity
    other_ids, other_classes, _ = weaker.kept.selector.specificity
    one.declared.ids = max(one.declared.ids, other_ids + weaker.declared.ids - ids)
    one.declared.classes = max(one.declared.classes, 1, other_classes + weaker.declared.classes - classes + 2)
