"""What the tests of zones share: names, lines, and the one diagnosis that is looked for."""

from newsletter.doctor.diagnosis import Diagnosis

SPF, DMARC, MX, DKIM = "example.org. IN TXT", "_dmarc.example.org.", "example.org. IN MX", "news._domainkey"


def cut(text: str) -> str:
    """A text as the strings of a TXT record."""
    return " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))


def one(found: list[Diagnosis], check: str, *results: str) -> Diagnosis:
    """The one diagnosis of a check with one of these results."""
    wanted = [each for each in found if each.check == check and each.result in (results or ("warn", "fail"))]
    assert len(wanted) == 1, [each for each in found if each.check == check]
    return wanted[0]
