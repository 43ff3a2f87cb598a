"""Cascades of every kind, each a sheet and a body, to look the same in a browser before and after inlining."""

# ruff: noqa: E501 (a case a line)

BODY = (
    '<div id="top" class="a b"><p class="x" title="Hello World" lang="en-GB">One <b>two</b> <i>i</i></p>'
    '<p id="h" class="x y" data-k="v-1 w">Three <a class="l" href="https://example.org/x.pdf">four</a></p>'
    '<p class="z" style="color: #123456; margin: 3px">Five</p><ul><li>1</li><li class="y">2</li><li>3</li></ul></div>'
    '<table class="t"><tr><td>a</td><td class="x">b</td></tr><tr id="r"><td>c</td><td>d</td></tr></table>'
    '<span></span><div class="empty"></div>'
)
"""What a sheet is held against where the case brings no body of its own."""

CASCADES: dict[str, str | tuple[str, str]] = {
    # Specificity
    "an id beats classes": "#h { color: red } .x.y.x.y { color: blue } p { color: green }",
    "a class beats types": ".x { color: red } div p { color: blue } body div p { margin: 1px }",
    "the later of equals": ".x { color: red; margin: 1px } .y { color: blue } .x { padding: 2px }",
    "an attribute is a class": "[title] { color: red } body div p { color: blue } p[title] { margin: 2px } .x { margin: 4px }",
    "a pseudo-class is a class": "p:first-child { color: red } div p { color: blue } .x { margin: 2px } p:last-child { margin: 9px }",
    "not counts what is inside": "p:not(#q) { color: red } .x.y { color: blue } p:not(.q) { margin: 1px } div p { margin: 2px }",
    "is counts the heaviest": ":is(#q, .x) { color: red } .x.y { color: blue } p:is(.x, .q) { margin: 1px }",
    "where counts nothing": ":where(#h) { color: red } p { color: blue } :where(.x) { margin: 7px }",
    "has": "p:has(a) { color: red } p:has(> b) { color: blue } div:has(#h) { margin: 3px } p:has(+ #h) { padding: 1px }",
    "universal": "* { margin: 1px; color: blue } p { color: red } .x { margin: 2px } :where(p) { padding: 3px } * { padding: 4px }",
    "universal below a class": ".a * { color: red } p { color: blue } b { color: green } .a > * { margin: 2px }",
    "many types against a class": "html body div#top p b { color: red } .x b { color: blue }",
    "nth of": "li:nth-child(1 of .y) { color: red } li { color: blue } li:nth-child(2) { margin: 2px }",
    # Selectors
    "nth": "li:nth-child(odd) { color: red } li:nth-child(2n) { color: blue } li:nth-last-child(1) { margin: 1px } td:nth-child(2) { padding: 5px }",
    "nth of type": "p:nth-of-type(2) { color: red } p:last-of-type { margin: 3px } p:first-of-type { padding: 1px } b:only-of-type { color: blue } p:nth-last-of-type(3) { border: 1px solid red }",
    "n minus": "li:nth-child(-n+2) { color: red } li:nth-child(n+3) { color: blue } li:nth-child(3n-1) { margin: 1px }",
    "rows": "tr:nth-child(even) { background: #eee } tr:nth-child(odd) { background: #ddd } tr:last-child td { border: 0 } tr:first-child td { border: 1px solid red }",
    "a table's child": "table > tr > td { color: red } table > tbody > tr > td { color: blue } tbody { color: green } tbody td.x { margin: 1px }",
    "attribute operators": "[title^=Hell] { color: red } [title$=orld] { margin: 1px } [title*='lo W'] { padding: 1px } [title~=World] { border: 1px solid red } [lang|=en] { text-indent: 4px } [data-k~='w'] { color: blue }",
    "attribute case": "[title='hello world' i] { color: red } [title='hello world'] { margin: 9px } [TITLE='Hello World'] { padding: 2px }",
    "an attribute that HTML compares without case": (
        "[align=LEFT] { color: red } [class=X] { color: blue }",
        '<p align="left" class="x">a</p>',
    ),
    "siblings": "p + p { color: red } p ~ ul { color: blue } b + i { color: green } #h ~ .z { margin: 5px }",
    "a hole between siblings": (
        "p + p { color: red } p:first-child { margin: 0 }",
        "text <!-- c --><p>a</p> text <!-- c --> <p>b</p>",
    ),
    "child and descendant": "div > p { color: red } body > p { color: blue } div b { color: green } html > body > div { margin: 3px }",
    "empty": "span:empty { color: red } div:empty { margin: 4px } p:empty { color: blue }",
    "root": ":root { color: #333; font-size: 20px } html { color: #444; margin: 2px } body { font-size: 0.8em }",
    "lang": "p:lang(en) { color: red } :lang(en-GB) b { color: blue } p:lang(de) { color: green }",
    "links": "a:link { color: red } a:any-link { margin: 2px } a[href$='.pdf'] { color: green } :link { padding: 1px }",
    "a link with a style": (
        "a:link { color: #0000ff } a:not(.x) { font-weight: bold }",
        '<a id="h" href="https://example.org" style="color:#fff;font-weight:normal">x</a>',
    ),
    "not with a list": "p:not(.y, .z) { color: red } li:not(:first-child):not(:last-child) { color: blue } :not(p) > b { color: green }",
    "is inside": ":is(div, ul) > :is(li.y, p.x) { color: red } .x :is(b, i) { color: blue }",
    "class and id with odd letters": (
        r".sm\:p { color: red } #\31 a { color: blue } .w-1\/2 { margin: 1px } .\@x { padding: 1px }",
        '<p class="sm:p">a</p><p id="1a">b</p><p class="w-1/2 @x">c</p>',
    ),
    "selectors in capitals": "P { color: red } P.X { color: blue } DIV > P { margin: 1px }",
    "many selectors": "h1, .x, #q, b { color: red } .y, p { margin: 1px }, .z { color: blue }",
    "an unknown pseudo-class drops the rule": "p:frobnicate, b { color: red } p { color: blue }",
    "a bad selector drops the rule": "p:::x, b { color: red } ..q, i { color: red } p { color: blue } i { margin: 1px }",
    "is forgives": ":is(:frobnicate(x), p) { color: red } p { margin: 1px }",
    # Importance
    "important against a style attribute": ".z { color: red !important; margin: 8px } p { margin: 9px !important }",
    "important against an id": "p { color: red !important } #h { color: blue } .x { color: green !important }",
    "important style attribute": (
        ".z { color: red !important; margin: 1px !important }",
        '<p class="z" style="color: blue !important; margin: 2px">a</p>',
    ),
    "important shorthand": (
        "p { margin: 1px !important } p { margin-left: 5px } .z { margin-top: 7px !important }",
        '<p class="z" style="margin-top: 9px; margin-right: 4px">a</p><p>b</p>',
    ),
    "important on one of two": "p { color: red !important; margin: 1px } .x { color: blue; margin: 2px }",
    "important with odd spaces": "p { color: red ! important; margin: 1px !IMPORTANT } .x { color: blue; margin: 2px }",
    # Shorthands and longhands
    "a stronger shorthand after a longhand": "p { margin: 0 0 16px } p { margin-top: 8px } p.x { margin: 0 }",
    "a longhand after a shorthand": ".x { margin-top: 8px } .x { margin: 1px } .y { margin-left: 3px } p { margin: 30px }",
    "border": "p { border: 1px solid red } .x { border-color: blue } .y { border-top: 3px dotted green } p { border-left-width: 7px }",
    "background": "p { background: red url(x.png) no-repeat } .x { background-color: blue } .y { background: none }",
    "font": "p { font: italic bold 20px/1.5 Georgia, serif } .x { font-size: 30px; line-height: 2 } .y { font: 10px Arial }",
    "a property declared again": ".x { color: red; margin: 1px; margin-left: 9px } .x { margin: 2px } .x { margin-left: 4px; margin: 3px }",
    "list style": "ul { list-style: square inside } ul { list-style-type: none } li { list-style: circle }",
    "logical sides": "p { margin-left: 3px; margin-inline: 5px } .y { margin-left: 7px; padding-block: 2px } .x { padding-top: 9px }",
    "text decoration": "a { text-decoration: none } a { text-decoration-line: underline } .l { text-decoration-color: red }",
    "all": "p { color: red; margin: 3px } #h { all: unset; padding: 1px } .x { all: initial }",
    "radius and size": "p { border-radius: 4px; border-top-left-radius: 9px } .y { border-radius: 1px 2px }",
    "flex and gap": "div { display: flex; flex: 1 1 auto; gap: 3px } .a { flex-grow: 2; column-gap: 9px }",
    # Values
    "fallbacks in a rule": ".x { background: #1f6659; background: linear-gradient(#1f6659, #0b3b33) } p { width: 50%; width: calc(100% - 10px) } .y { color: #111; color: oklch(0.5 0.1 200) }",
    "fallbacks over rules": ".x { color: #111 } .y { color: rgb(1 2 3 / 50%) } p { color: color-mix(in srgb, red, blue) } .z { margin: 1px }",
    "invalid values": ".x { color: red; color: nonsense; margin: 1px; margin: 1; padding: -1px } .x { padding: 2px; padding: 3xx }",
    "an invalid value of a stronger rule": "#h { color: #12; width: 5 } .x { color: blue; width: 90px }",
    "hacks": r".x { width: auto\9; *zoom: 1; _height: 3px; color: red; mso-line-height-rule: exactly } img { width: auto\9 }",
    "fallbacks in a style attribute": (
        "p { color: red }",
        '<p style="width:536px;width:calc(100% - 64px)">x</p><div style="background:#eee;background:linear-gradient(#fff,#eee)">y</div>',
    ),
    "inherit, initial, unset": "div { color: red; border: 1px solid blue } p { color: initial; border: inherit } .y { color: inherit } b { color: unset; border: unset } .z { margin: revert }",
    "custom properties": ":root { --ink: red; --Ink: blue } .x { color: var(--ink); background: var(--Ink) } .y { --ink: green } b { color: var(--none, #123) }",
    "custom properties with a style attribute": (
        ":root { --a: 1px } p { --a: 5px; margin: var(--a) }",
        '<p style="--a: 9px">a</p><p>b</p>',
    ),
    "urls and strings": ".x { background-image: url(data:image/gif;base64,R0lGODlhAQABAAAAACw=); font-family: 'A;B', \"C}D\", serif; quotes: '\"' '\"' }",
    "current colour and units": "p { color: red; border: 1px solid currentColor; font-size: 1.2em } .x { font-size: 120%; margin: 1em; text-indent: 2rem }",
    "colours in capitals": "P { COLOR: RED; Margin: 3PX } .x { color: #ABC; BACKGROUND-COLOR: RGB(1,2,3) }",
    "table words": (
        "table { text-align: center } td { text-align: right; vertical-align: bottom; background-color: #eee } img { text-align: left }",
        '<p>beside</p><table width="100"><tr><td align="left">one</td></tr></table><img width="50" alt="x">after<table style="text-align: left"><tr><td style="background: none">x</td></tr></table>',
    ),
    # What stays in the head
    "a phone's rule": ".x { width: 300px; color: red } @media (max-width: 600px) { .x { width: 100%; color: blue } }",
    "a phone's rule that loses": "#h { color: red } @media (max-width: 600px) { .x { color: blue; margin: 3px } } p { margin: 9px }",
    "a phone's rule, won and lost": "#h { color: red } p { color: green } @media (max-width: 600px) { .x { color: blue } }",
    "a phone's rule and a style attribute": "p { padding: 9px } @media (max-width: 600px) { p { color: red; margin: 9px; padding: 1px } .z { color: red !important } }",
    "important on both sides": ".x { width: 300px !important } @media (max-width: 600px) { .x { width: 100% !important } }",
    "important in the sheet alone": ".x { width: 300px !important; color: red } @media (max-width: 600px) { .x { width: 100%; color: blue } }",
    "a phone's rule before": "@media (max-width: 600px) { .x { color: blue; margin: 1px !important } } .x { color: red; margin: 2px !important }",
    "two phone's rules": "@media (max-width: 600px) { .x { color: blue } p { color: green !important } .y { color: red } } p { color: #111 } .x { margin: 1px } @media (max-width: 500px) { p { margin: 9px } .x { margin: 8px } }",
    "rules of two strengths in the head": "p { color: #111 } @media (max-width: 600px) { #h { color: red } p { color: green !important } .x { color: blue } }",
    "a shorthand on the phone": "p { margin: 9px 8px 7px 6px } #h { margin-left: 1px } @media (max-width: 600px) { .x { margin: 3px } p { margin-top: 2px } }",
    "a shorthand between": "p { border: 1px solid red } #h { border-color: blue } .y { border-width: 4px } @media (max-width: 600px) { .x { border: 3px dashed green } }",
    "hover": "a { color: red } #h { color: #111; margin: 1px } #h:hover { color: blue } p:hover { margin: 4px } .x:hover b { color: green } p:hover a { color: lime }",
    "hover and an id": ".e:hover, .x:hover { color: green } #h.x { color: blue } @media (min-width: 100px) { .x { color: red } #h.x { color: navy } }",
    "not hover": ".x:not(:hover) { color: red } .x { color: blue } #h:not(:hover) { margin: 3px }",
    "hover and a style attribute": (
        "p:hover { color: red; margin: 3px } p:hover { margin: 5px !important } p { padding: 1px }",
        '<p id="h" style="color: blue; margin: 1px">a</p>',
    ),
    "dark": ".x { background: #fff; color: #000 } @media (prefers-color-scheme: dark) { .x { background: #000; color: #fff } #top { color: red } } .y { color: blue }",
    "screen, print, all": "p { color: red } @media print { p { color: blue } } @media screen { .x { color: green } } @media all { b { color: navy } } @media not all { i { color: navy } }",
    "before and after": ".x::before { content: 'a'; color: red } p::before { content: 'b'; color: blue } .x:after { content: counter(c) } p { color: green } p::first-line { color: navy }",
    "supports": ".x { color: red } @supports (display: grid) { .x { color: blue } p { margin: 2px } } @supports not (display: grid) { p { color: red } } #h { color: green }",
    "layers": "@layer low, high; .x { padding: 1px } @layer high { .x { color: red; padding: 9px } } @layer low { #h { color: blue; margin: 2px } p { margin: 5px } }",
    "layers and importance": "@layer one { .x { color: red !important; margin: 1px } } @layer two { .x { color: blue !important; margin: 2px } } .x { color: green !important } p { margin: 7px }",
    "layers inside layers": "@layer a { .x { color: red } @layer b { #h { color: blue; margin: 1px } } p { margin: 2px } } @layer a.c { .x { padding: 3px } } @layer { .x { padding: 4px } }",
    "layers on the phone": "@layer a { p { margin: 9px } @media (max-width: 600px) { #h { color: red; margin: 1px } } } .x { color: blue } @layer b { @media (max-width: 600px) { .x { margin: 2px } } }",
    "nested rules": ".a { color: red; & p { color: blue; &.y { margin: 3px } } > ul { margin: 2px; li { color: green } } @media (max-width: 600px) { color: navy; .x { margin: 8px } } }",
    "nested hover": ".x { background: #a00000; color: #fff; &:hover { background: #006000 } .a & { margin: 2px } & + & { padding: 1px } }",
    "nested with several parents": ".x, #q, b { color: red; & i, a { color: blue } &:hover { color: green } } .x i { color: navy }",
    "container": ".a { container-type: inline-size } .x { color: red } @container (min-width: 1px) { .x { color: blue } p { margin: 2px } }",
    "focus, checked, disabled": (
        "input { color: red } input:checked { margin: 5px } input:disabled { color: blue } #c:checked ~ p { color: green } p { color: navy }",
        '<input id="c" type="checkbox" checked><input disabled><p>a</p>',
    ),
    "comments and markers": "/* p { color: red } */ p /* a */ { color: /* b */ blue; /* c */ margin: 1px } <!-- .x { color: green } --> .y{;;color:red;;}",
    "broken": "p { color: red; color } .x { margin: 1px; } } .y { color: blue } b { color: green",
    "a style for a medium": (
        "p { color: red }",
        '<style media="(max-width: 600px)">p { color: blue }</style><style media="print">p { color: green }</style><p>a</p>',
    ),
    "a style in the body": (
        "p { color: red }",
        '<p class="x">a</p><style>.x { color: blue } @media (max-width: 600px) { p { color: green } }</style><p>b</p>',
    ),
    "fonts and moves": "@font-face { font-family: Q; src: url(q.woff2) } @keyframes k { from { opacity: 0.2 } to { opacity: 0.2 } } .x { animation: k 1s infinite paused; font-family: Q, serif }",
    "what no element is yet": "u + .body p { color: red } #outlook a { padding: 0 } .ExternalClass p { margin: 1px } [data-ogsc] .x { color: red !important } p { color: blue } span.MsoHyperlink { color: inherit !important }",
    "revert-layer": "@layer a { .x { color: red } } .x { color: revert-layer } p { margin: 2px }",
    "scope": "@scope (.a) to (ul) { p { color: red } :scope { margin: 3px } li { color: blue } } p { color: green }",
}
