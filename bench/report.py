"""Figures in words: tables for RESULTS.md, and the bars of the README as SVG."""

import os
import platform
import statistics
import subprocess
import sys

import listmonk
from contenders import GO_MAIL, LETTRE, Run, version
from sinks import ENV

HEADER = (
    "| sender | messages/s | of smtp-source | newsletter is … times as fast | CPU s per 1,000 | peak MB |\n"
    "|---|---|---|---|---|---|"
)


def table(runs: dict[str, list[Run]]) -> str:
    """A line for each sender; ratios are taken round by round."""
    own, limit = runs["newsletter"], runs["smtp-source"]
    return "\n".join([HEADER, *(_line(name, each, own, limit) for name, each in runs.items())])


def _line(name: str, runs: list[Run], own: list[Run], limit: list[Run]) -> str:
    rate = statistics.median(run.rate for run in runs)
    ratio = statistics.median(mine.rate / run.rate for mine, run in zip(own, runs, strict=True))
    share = statistics.median(run.rate / top.rate for run, top in zip(runs, limit, strict=True))
    cpu = statistics.median(run.cpu / run.messages * 1000 for run in runs)
    return f"| {name} | {rate:,.0f} | {share:.2f} | {ratio:,.2f} | {cpu:.3f} | {max(r.memory for r in runs):.0f} |"


def versions() -> str:
    def out(*command: str) -> str:
        return subprocess.run(command, env=ENV, capture_output=True, text=True, check=False).stdout.strip()

    postfix = out("postconf", "-h", "mail_version")
    names = "import aiosmtplib, uvloop; print(aiosmtplib.__version__, uvloop.__version__)"
    aio, uv = out(sys.executable, "-c", names).split()
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, aiosmtplib {aio}, uvloop {uv}, "
        f"Postfix {postfix}, Node {out('node', '--version')}, "
        f"nodemailer {version('nodemailer')}, go-mail {GO_MAIL}, lettre {LETTRE}, listmonk {listmonk.version()}, "
        f"mailmerge {version('mailmerge')}"
    )


def picture(rates: dict[str, float]) -> str:
    """The bars of the README, as SVG."""
    top = max(rates.values())
    lines = []
    for number, (name, rate) in enumerate(sorted(rates.items(), key=lambda pair: -pair[1])):
        y, width = 16 + number * 34, max(2.0, rate / top * 380)
        colour = "#1f6659" if name == "newsletter" else "#9aa5a1"
        lines.append(
            f'<text x="130" y="{y + 16}" text-anchor="end">{name}</text>'
            f'<rect x="140" y="{y}" width="{width:.1f}" height="22" rx="3" fill="{colour}"/>'
            f'<text x="{148 + width:.1f}" y="{y + 16}">{rate:,.0f}</text>'
        )
    height = 24 + len(rates) * 34
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 {height}" '
        'font-family="sans-serif" font-size="13" fill="#444">'
        f'<rect width="600" height="{height}" fill="#fff"/>{"".join(lines)}</svg>\n'
    )
