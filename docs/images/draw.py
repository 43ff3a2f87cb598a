"""Draw the pictures of the sample posts: SVG made from a seed, painted by an installed Chromium.

Run `python docs/images/draw.py` to write posts/images/ again; the same seed gives the same picture. Each stands in a
600-pixel column, so it is drawn at twice that width.
"""

import math
import os
import random
from pathlib import Path

from playwright.sync_api import sync_playwright

OUT = Path(__file__).parents[2] / "posts" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
Colour = tuple[int, int, int]


def mix(a: str, b: str, share: float) -> str:
    """The colour `share` of the way from `a` to `b`, both #rrggbb."""
    one, two = (tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in (a, b))
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in zip(one, two, strict=True))


def svg(width: int, height: int, body: str) -> str:
    """An SVG document of `width` by `height` pixels."""
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{body}</svg>'


def ridge(rng: random.Random, width: int, base: float, rise: float, rough: float) -> list[tuple[float, float]]:
    """A skyline from left to right: a sum of sines whose phases are chance."""
    waves = [(rng.uniform(0.6, 1.4) * 2**k, rng.uniform(0, math.tau), rise * rough**k) for k in range(6)]
    return [
        (x, base - sum(a * math.sin(x / width * math.tau * f * 0.55 + p) for f, p, a in waves))
        for x in range(0, width + 6, 6)
    ]


def dawn(width: int = 1200, height: int = 600) -> str:
    """Seven ridges before a low sun: the farther, the paler."""
    rng = random.Random(26)
    far, near = "#e9b99a", "#123f3a"
    parts = [
        '<defs><linearGradient id="sky" x2="0" y2="1"><stop stop-color="#7fa7a4"/>'
        '<stop offset=".42" stop-color="#ecd6b4"/><stop offset=".7" stop-color="#f2b98e"/></linearGradient>'
        '<radialGradient id="glow"><stop stop-color="#fff3d6" stop-opacity=".95"/>'
        '<stop offset="1" stop-color="#fff3d6" stop-opacity="0"/></radialGradient></defs>'
        f'<rect width="{width}" height="{height}" fill="url(#sky)"/>'
        '<circle cx="830" cy="262" r="300" fill="url(#glow)"/><circle cx="830" cy="262" r="54" fill="#fff6e0"/>'
    ]
    layers = 7
    for n in range(layers):
        share = n / (layers - 1)
        line = ridge(rng, width, 280 + 46 * n + 14 * share, 26 + 22 * share, 0.46)
        path = " ".join(f"{x:.0f},{y:.1f}" for x, y in line)
        parts.append(f'<polygon points="{path} {width},{height} 0,{height}" fill="{mix(far, near, share**0.8)}"/>')
    return svg(width, height, "".join(parts))


def rings(width: int = 1200, height: int = 600) -> str:
    """The rings of a felled oak, wide in good years and narrow in bad ones, cut off by the frame."""
    rng = random.Random(1379)
    bumps = [(k, rng.uniform(0, math.tau), rng.uniform(0.2, 1.0) / k) for k in (2, 3, 5, 7, 11)]
    cx, cy = 430, 330
    parts = [f'<rect width="{width}" height="{height}" fill="#5b3a22"/>']
    radius, rims = 960.0, []
    while radius > 5:
        rims.append(radius)
        radius -= rng.choice((7, 9, 11, 14, 18, 22))
    for n, r in enumerate(rims):
        wobble = 0.055 * min(1, r / 260)
        points = []
        for step in range(180):
            angle = step / 180 * math.tau
            bump = sum(a * math.sin(k * angle + p + r / 900) for k, p, a in bumps)
            x, y = r * (1 + wobble * bump) * math.cos(angle) * 1.08, r * (1 + wobble * bump) * math.sin(angle) * 0.94
            points.append(f"{cx + x:.1f},{cy + y:.1f}")
        tone = mix("#f3dcb4", "#c98f55", min(1, (r / 960) ** 1.1 + rng.uniform(-0.05, 0.12)))
        edge = mix(tone, "#6d4222", 0.62 if n % 9 else 0.9)
        parts.append(
            f'<polygon points="{" ".join(points)}" fill="{tone}" '
            f'stroke="{edge}" stroke-width="{1.6 if n % 9 else 2.8}"/>'
        )
    for angle in (0.35, 2.5, 4.4):
        reach = rng.uniform(240, 420)
        x, y = cx + reach * math.cos(angle), cy + reach * math.sin(angle) * 0.9
        parts.append(
            f'<path d="M{cx},{cy} Q{(cx + x) / 2 + 9:.0f},{(cy + y) / 2 - 7:.0f} {x:.0f},{y:.0f}" fill="none" '
            'stroke="#5b3a22" stroke-width="2.6" stroke-linecap="round" opacity=".75"/>'
        )
    return svg(width, height, "".join(parts))


def trails(width: int = 1200, height: int = 600) -> str:
    """Stars that turned about the pole while the shutter was open, above a hut with one lit window."""
    rng = random.Random(2050)
    cx, cy = 800, 210
    parts = [
        '<defs><linearGradient id="night" x2="0" y2="1"><stop stop-color="#0b1730"/>'
        '<stop offset=".6" stop-color="#1d3a5c"/><stop offset=".86" stop-color="#4d6d80"/></linearGradient></defs>'
        f'<rect width="{width}" height="{height}" fill="url(#night)"/><g fill="none" stroke-linecap="round">'
    ]
    for _ in range(330):
        r = 12 + 900 * rng.random() ** 0.75
        start = rng.uniform(0, math.tau)
        end = start + rng.uniform(0.42, 0.62)
        ends = [(cx + r * math.cos(a), cy + r * math.sin(a)) for a in (start, end)]
        tone = rng.choice(("#fdf6e3", "#dbe8f7", "#f7dfb8", "#c4d8ee"))
        parts.append(
            f'<path d="M{ends[0][0]:.1f},{ends[0][1]:.1f} A{r:.1f},{r:.1f} 0 0 1 {ends[1][0]:.1f},{ends[1][1]:.1f}" '
            f'stroke="{tone}" stroke-width="{rng.choice((1, 1.2, 1.6, 2.2))}" opacity="{rng.uniform(0.25, 0.9):.2f}"/>'
        )
    parts.append("</g>")
    hills = []
    for n, tone in enumerate(("#16304a", "#0a1626")):
        line = ridge(rng, width, 470 + 62 * n, 22 - 6 * n, 0.42)
        path = " ".join(f"{x:.0f},{y:.1f}" for x, y in line)
        hills.append(f'<polygon points="{path} {width},{height} 0,{height}" fill="{tone}"/>')
    hut = (
        '<g transform="translate(250,462)"><path d="M-14,20 L40,-20 94,20z" fill="#050c17"/>'
        '<rect x="-4" y="18" width="88" height="90" fill="#050c17"/><rect x="46" y="32" width="20" height="22" '
        'fill="#ffd07a"/></g>'
    )
    parts += [hills[0], hut, hills[1]]
    return svg(width, height, "".join(parts))


def spans(width: int = 1072, height: int = 640) -> str:
    """A chart: how long six experiments have run or will, each a bar on one axis of years."""
    rows = (
        ("Broadbalk wheat, Rothamsted", 1843, None),
        ("Beal’s buried seeds, Michigan", 1879, 2100),
        ("Pitch drop, Queensland", 1927, None),
        ("Framingham heart study", 1948, None),
        ("Keeling’s carbon dioxide curve", 1958, None),
        ("“As Slow as Possible”, Halberstadt", 2001, 2640),
    )
    first, last, left, right, top, step = 1800, 2700, 40, width - 40, 40, 87

    def at(year: float) -> float:
        return left + (year - first) / (last - first) * (right - left)

    font = "font-family=\"Inter,'Helvetica Neue','Liberation Sans',Arial,sans-serif\""
    parts = [f'<rect width="{width}" height="{height}" rx="12" fill="#faf6ee"/>']
    for year in range(1800, 2701, 100):
        x = at(year)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="36" y2="{height - 72}" stroke="#e4dccb" stroke-width="2"/>')
        if year % 200 == 0:
            anchor = {1800: "start", 2700: "end"}.get(year, "middle")
            parts.append(
                f'<text x="{x:.1f}" y="{height - 30}" {font} font-size="33" fill="#6a6355" '
                f'text-anchor="{anchor}">{year}</text>'
            )
    for n, (name, start, end) in enumerate(rows):
        y = top + n * step
        stop = end or 2026
        parts.append(
            f'<rect x="{at(start):.1f}" y="{y + 40}" width="{at(2026) - at(start):.1f}" height="20" rx="4" '
            'fill="#1f6659"/>'
        )
        if stop > 2026:
            parts.append(
                f'<rect x="{at(2026):.1f}" y="{y + 40}" width="{at(stop) - at(2026):.1f}" height="20" rx="4" '
                'fill="#d98e4a"/>'
            )
        parts.append(f'<text x="{at(start):.1f}" y="{y + 27}" {font} font-size="33" fill="#2b2a26">{name}</text>')
    return svg(width, height, "".join(parts))


def author(size: int = 192) -> str:
    """A portrait in six shapes."""
    return svg(
        size,
        size,
        '<g transform="scale(1.2)"><rect width="160" height="160" fill="#e8b98f"/>'
        '<circle cx="118" cy="46" r="22" fill="#f6dcb6"/>'
        '<path d="M44,78 C40,28 120,26 116,80 C118,112 126,122 122,134 L38,134 C34,122 44,112 44,78z" fill="#2e2420"/>'
        '<path d="M18,160 C22,130 54,122 80,122 C106,122 138,130 142,160z" fill="#1f6659"/>'
        '<path d="M68,100 L92,100 L93,126 C86,134 74,134 67,126z" fill="#c98d68"/>'
        '<path d="M56,74 C56,48 104,48 104,74 C104,98 92,112 80,112 C68,112 56,98 56,74z" fill="#dba37c"/>'
        '<path d="M54,76 C56,52 74,50 92,54 C100,58 106,66 106,78 C98,72 92,66 88,60 C80,68 66,70 54,76z" '
        'fill="#2e2420"/>'
        '<path d="M72,96 Q80,102 88,96" fill="none" stroke="#7d3f2b" stroke-width="2.6" stroke-linecap="round"/>'
        '<circle cx="69" cy="80" r="2.6" fill="#2e2420"/><circle cx="91" cy="80" r="2.6" fill="#2e2420"/></g>',
    )


def logo(size: int = 144) -> str:
    """A roundel that stands on light and on dark: a sun on a horizon, and its long reflection."""
    return svg(
        size,
        size,
        '<defs><clipPath id="disc"><circle cx="60" cy="60" r="60"/></clipPath></defs>'
        '<g transform="scale(1.2)" clip-path="url(#disc)">'
        '<rect width="120" height="120" fill="#1f6659"/><circle cx="60" cy="62" r="27" fill="#f7d7a5"/>'
        '<rect y="62" width="120" height="58" fill="#174c43"/>'
        '<g fill="#f7d7a5"><rect x="24" y="66" width="72" height="6" rx="3"/><rect x="36" y="79" width="48" height="6" '
        'rx="3"/><rect x="46" y="92" width="28" height="6" rx="3"/></g></g>',
    )


PICTURES = {
    "dawn.jpg": (dawn, 1200, 600),
    "rings.jpg": (rings, 1200, 600),
    "trails.jpg": (trails, 1200, 600),
    "spans.png": (spans, 1072, 640),
    "ada.jpg": (author, 192, 192),
    "logo.png": (logo, 144, 144),
}


def main() -> None:
    """Write every picture."""
    OUT.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name, (draw, width, height) in PICTURES.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_content(f'<body style="margin:0;background:transparent">{draw()}')
            kind = "png" if name.endswith("png") else "jpeg"
            quality = {"quality": 76} if kind == "jpeg" else {"omit_background": True}
            page.screenshot(path=OUT / name, type=kind, **quality)
            page.close()
            print(f"{OUT / name}: {(OUT / name).stat().st_size // 1024} KB")
        browser.close()


if __name__ == "__main__":
    main()
