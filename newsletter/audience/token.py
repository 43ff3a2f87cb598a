"""Tokens: what stands for a subscriber in a link, so that nobody else can act for her.

A token is issue, NUL and address after an HMAC-SHA256 over its kind and them, cut to 128 bits, in base64url. It needs no
database to be checked, and a token of one kind is worthless as another. The key is NEWSLETTER_SECRET, or a file of mode 0600.
"""

import hmac
import os
import secrets
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

from newsletter.config import Config
from newsletter.errors import NewsletterError

MAC_BYTES = 16


def load_secret(config: Config) -> bytes:
    """The key of all tokens and Message-IDs: from the environment, else from a file that is made at first use."""
    if given := config.secret.get_secret_value():
        return given.encode()
    path = config.state_dir / "secret"
    if not path.exists():
        config.state_dir.mkdir(mode=0o700, exist_ok=True)
        (config.state_dir / ".gitignore").write_text("*\n", encoding="utf-8")
        draft = path.with_name(f"secret.{os.getpid()}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        try:
            os.link(draft, path)  # of two processes at once, one wins and both read the winner's
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise NewsletterError("others can read this secret; run `chmod 600` on it", path=path)
    secret = path.read_text(encoding="ascii").strip().encode()
    if len(secret) < 32:
        raise NewsletterError("is shorter than 32 characters; restore it, or delete it to make a new one", path=path)
    return secret


def digest(secret: bytes, kind: str, *values: str) -> bytes:
    """128 bits that only the holder of `secret` can make of `kind` and `values` (which hold no NUL)."""
    return hmac.digest(secret, "\0".join((kind, *values)).encode(), "sha256")[:MAC_BYTES]


def make_token(secret: bytes, kind: str, email: str, issue_id: str) -> str:
    """A URL-safe token with which `email`, and nobody else, can do `kind` ("unsubscribe", "preferences")."""
    payload = f"{issue_id}\0{email}".encode()
    return urlsafe_b64encode(digest(secret, kind, issue_id, email) + payload).rstrip(b"=").decode()


def read_token(secret: bytes, kind: str, token: str) -> tuple[str, str] | None:
    """The address and issue that `make_token` was given, or None for anything that it did not make."""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        issue_id, email = raw[MAC_BYTES:].decode().split("\0")
    except (Base64Error, ValueError):
        return None
    if not hmac.compare_digest(raw[:MAC_BYTES], digest(secret, kind, issue_id, email)):
        return None
    # base64 has several spellings of the same bytes; one token is one string
    return (email, issue_id) if make_token(secret, kind, email, issue_id) == token else None
