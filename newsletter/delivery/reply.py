"""An SMTP reply, and what it means for a recipient.

Pure: no clock, network or database. Reply codes: RFC 5321 section 4.2; enhanced codes: RFC 3463.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """What a relay said: code, enhanced status such as "5.1.1" (or empty), text, and the command that it answers."""

    code: int
    status: str
    text: str
    command: str  # "connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "." or ""
