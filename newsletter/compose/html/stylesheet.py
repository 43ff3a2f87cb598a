"""Part a style sheet into rules that can be inlined and rules that must stay in the head.

premailer inlines plain selectors well and loses the rest: at-rules, `:hover`, `*`, `:is()`, nesting (seen with 3.10).
What depends on the reader's screen, mood or client stays, with `!important`, because it has to win over inlined styles
as it won in the sheet. Imports are dropped: no client loads them, and composing never touches the network.
"""

import functools
import re

import tinycss2
from tinycss2.ast import AtRule, Declaration, Node, QualifiedRule

_NOT_INLINED = re.compile(r"[*&]|:(?!first-child\b|last-child\b|nth-child\()|::|\|\|")
_UNIVERSAL = re.compile(r"[\w.# >+~-]*\*[\w.# >+~*-]*\Z")
_CLIENT = re.compile(
    r"\[data-ogs[bc]\]|\[owa\]|\[x-apple-|\.ExternalClass|\.ReadMsgBody|#outlook|#MessageView|#msg-body|\.moz-text-html"
    r"|\.yshortcuts|\.aolmail|\.gmail|\.rps_|#zohobody|\bu\s*[+~]|\.im\b|\.mj-outlook"
)  # what mail clients wrap around a message: matched by nothing in the template, and meant for the head
_POSITIONED = re.compile(r":(first-child|last-child|nth-child\([^()]*\))\Z")
_OF_STYLES = frozenset({"media", "supports", "layer", "container", "scope", "starting-style", "document"})


@functools.lru_cache(maxsize=64)
def part_stylesheet(css: str) -> tuple[str, str]:
    """`css` as (rules to inline, rules to keep); a rule with selectors of both sorts goes to both."""
    inlined: list[str] = []
    kept: list[str] = []
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        if isinstance(rule, QualifiedRule):
            body = "{" + _css(rule.content).strip() + "}"
            plain, other = _part_selectors(_css(rule.prelude))
            if plain and not any(getattr(token, "type", "") == "{} block" for token in rule.content):
                inlined.append(", ".join(plain) + " " + body)
            else:
                other = plain + other
            # `*` is the weakest selector of a sheet: inlined styles shall win over it.
            weak = [selector for selector in other if _UNIVERSAL.match(selector)]
            strong = [selector for selector in other if not _UNIVERSAL.match(selector)]
            if weak:
                kept.append(", ".join(weak) + " " + body)
            if strong:
                kept.append(", ".join(strong) + " {" + _important(rule.content) + "}")
        elif isinstance(rule, AtRule) and rule.lower_at_keyword not in ("import", "charset"):
            kept.append(_kept(rule))
    return "\n".join(inlined), "\n".join(kept)


def _part_selectors(prelude: str) -> tuple[list[str], list[str]]:
    plain: list[str] = []
    other: list[str] = []
    for selector in _split(prelude):
        positioned = _POSITIONED.sub("", selector)
        (other if _NOT_INLINED.search(positioned) or _CLIENT.search(selector) else plain).append(selector)
    return plain, other


def _split(prelude: str) -> list[str]:
    """A selector list's selectors; commas inside parentheses and brackets belong to one."""
    selectors, depth, start = [], 0, 0
    for position, character in enumerate(prelude):
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            selectors.append(prelude[start:position].strip())
            start = position + 1
    return [selector for selector in [*selectors, prelude[start:].strip()] if selector]


def _kept(rule: AtRule) -> str:
    head = f"@{rule.at_keyword}{_css(rule.prelude)}"
    if rule.content is None:
        return head + ";"
    if rule.lower_at_keyword not in _OF_STYLES:
        return head + " {" + _css(rule.content) + "}"
    return head + " {\n" + "\n".join(map(_kept_inside, _rules(rule.content))) + "\n}"


def _kept_inside(rule: Node) -> str:
    if isinstance(rule, AtRule):
        return _kept(rule)
    if isinstance(rule, QualifiedRule):
        return _css(rule.prelude).strip() + " {" + _important(rule.content) + "}"
    return ""


def _css(tokens: list[Node]) -> str:
    return str(tinycss2.serialize(tokens)).rstrip()


def _rules(content: list[Node]) -> list[Node]:
    return list(tinycss2.parse_rule_list(content, skip_comments=True, skip_whitespace=True))


def _important(content: list[Node]) -> str:
    """A rule's declarations, each `!important`; nested rules as they are."""
    written = []
    for item in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if isinstance(item, Declaration):
            written.append(f"{item.name}: {_css(item.value).strip()} !important")
        elif isinstance(item, (QualifiedRule, AtRule)):
            written.append(item.serialize())
    return "; ".join(written)
