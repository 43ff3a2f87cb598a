"""Style sheets made at random, of rules that get in each other's way."""

import random

SELECTORS = [
    "p", "div", "b", "li", "td", "a", "*", ".x", ".y", ".z", ".t", "#h", "#top", "p.x", "div p", ".a b", "div > p",
    "#top p", "p + p", "p ~ ul", "li:first-child", "li:nth-child(2)", "tr:nth-child(odd) td", "[title]",
    "p[lang|=en]", "a[href]", "p:not(.x)", ":is(.x, #r) td", ":where(.y)", ":where(#h)", "p:has(a)", ".x.y",
    "html body p", "td.x", "body *",
]  # fmt: skip
MOODS = ["#h:hover", ".x:hover", "p:hover", "p:hover a", ".a:hover .z", "p:not(:hover)", ".y:is(:hover, .q)"]
DECLARATIONS = [
    "color: red", "color: #123", "color: blue", "color: oklch(0.6 0.1 50)", "color: inherit", "margin: 1px",
    "margin: 2px 3px", "margin-left: 7px", "margin-top: 9px", "padding: 4px", "padding-right: 6px", "padding: 1em",
    "border: 1px solid red", "border-color: lime", "border-top: 3px dotted blue", "border-left-width: 5px",
    "background: #eee", "background-color: #abc", "background: linear-gradient(red, blue)", "font: italic 14px/2 serif",
    "font-size: 20px", "font-size: 1.5em", "line-height: 1.2", "font-weight: bold", "text-align: center",
    "text-decoration: underline", "text-decoration-color: red", "--c: 1px", "text-indent: var(--c, 3px)", "width: 50%",
    "color: nonsense", "vertical-align: top", "margin-inline: 8px", "letter-spacing: 1px", "all: initial",
]  # fmt: skip
AROUND = [
    "@media (max-width: 600px) {%s}", "@media (prefers-color-scheme: dark) {%s}", "@media (min-width: 100px) {%s}",
    "@supports (display: grid) {%s}", "@layer one {%s}", "@layer two {%s}",
]  # fmt: skip


def random_sheet(seed: int) -> str:
    """A sheet of a dozen rules, more or less, that get in each other's way."""
    chance = random.Random(seed)
    rules = []
    for _ in range(chance.randint(4, 14)):
        pool = MOODS if chance.random() < 0.15 else SELECTORS
        selectors = ", ".join(chance.sample(pool, chance.choice([1, 1, 1, 2])))
        chosen = chance.sample(DECLARATIONS[: -1 if "*" in selectors else None], chance.randint(1, 3))
        body = "; ".join(item + (" !important" if chance.random() < 0.12 else "") for item in chosen)
        rule = f"{selectors} {{ {body} }}"
        rules.append(chance.choice(AROUND) % rule if chance.random() < 0.3 else rule)
    return "\n".join(rules)
