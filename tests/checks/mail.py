"""Messages for the checks' tests: one in which nothing is wrong, and ways to spoil it."""

from email.message import EmailMessage

from newsletter.checks.finding import Finding
from newsletter.checks.run import check_message
from newsletter.checks.sample import sample_of

WORDS = (
    "The oaks along the north road were planted by somebody who knew that he would not sit in their shade. Every "
    "spring they are a little wider, and every spring somebody asks who it was. This letter is the answer, as far as "
    "the parish books can give one, and a little further where they can't. Read it slowly; there is no hurry, and the "
    "oaks will not mind. In the end you will know a name, a year, and the price of an acorn in that year of frost."
)
HTML = f"""<!DOCTYPE html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Who planted the oaks</title>
<style>
@media (prefers-color-scheme: dark) {{
  .page {{ background-color: #111111 !important; color: #eeeeee !important; }}
  .link {{ color: #9ecbff !important; }}
}}
</style>
</head>
<body>
<div class="page" lang="en" dir="ltr" style="background-color: #ffffff; color: #222222; font-size: 16px">
<div style="display: none; max-height: 0; overflow: hidden">A name, a year, and the price of an acorn.</div>
<table role="presentation" width="100%"><tr><td>
<h1>Who planted the oaks</h1>
<img src="https://example.org/oaks.jpg" width="600" alt="Two rows of oaks in fog">
<p>{WORDS}</p>
<!-- here -->
<p><a class="link" style="color: #0b5cad" href="https://example.org/oaks/">Read it on the web</a></p>
<p><a class="link" style="color: #0b5cad" href="https://example.org/u/token">Unsubscribe</a></p>
</td></tr></table>
</div>
</body>
</html>
"""
HEADERS = {
    "From": "Ada Moreau <ada@example.org>",
    "To": "ben@example.net",
    "Subject": "Who planted the oaks",
    "List-Unsubscribe": "<https://example.org/u/token>, <mailto:leave@example.org?subject=token>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}


def message(html: str | None = HTML, text: str | None = WORDS, **headers: str | None) -> bytes:
    """A message as bytes; `headers` (underscores for hyphens) replace or, by None, remove the usual ones."""
    mail = EmailMessage()
    given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    for name, value in HEADERS.items():
        chosen = given.pop(name.lower(), value)
        if chosen is not None:
            mail[name] = chosen
    for name, further in given.items():
        mail[name] = further
    if text is not None:
        mail.set_content(text)
    if html is not None:
        if text is None:
            mail.set_content(html, subtype="html")
        else:
            mail.add_alternative(html, subtype="html")
    return mail.as_bytes()


def here(piece: str) -> str:
    """The good message with a piece of HTML in its body."""
    return HTML.replace("<!-- here -->", piece)


def findings(html: str | None = HTML, text: str | None = WORDS, **headers: str | None) -> list[Finding]:
    """What the checks find, infos aside."""
    found = check_message(sample_of(message(html, text, **headers)))
    return [finding for finding in found if finding.severity != "info"]


def rules(html: str | None = HTML, text: str | None = WORDS, **headers: str | None) -> set[str]:
    """`rule:severity` of each finding."""
    return {f"{finding.rule}:{finding.severity}" for finding in findings(html, text, **headers)}
