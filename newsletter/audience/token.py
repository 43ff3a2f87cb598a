"""Tokens that stand for a subscriber and an issue in links, and keyed digests for Message-IDs.

A token says whom it stands for and proves that we made it: HMAC-SHA-256 (RFC 2104) cut to 128 bits, in front of address
and issue, all in base64url without padding (RFC 4648 section 5). It is signed, not encrypted: whoever holds a token can
read the address in it, and has it from that address's mail. Each kind of token is a domain of its own: one made to
unsubscribe does not read as one made to confirm. Here is also the secret they are keyed with; what a token permits is
decided where it is used.
"""

import binascii
import functools
import hashlib
import hmac
import os
import secrets
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from newsletter.audience.address import address_key
from newsletter.config.settings import Config, in_job
from newsletter.errors import NewsletterError
from newsletter.state.private import state_folder

MAC_BYTES = 16
ERASED = "erased:"
"""Begins the key of a suppression whose address was erased."""
TEST_EMAIL, TEST_ISSUE = "test@example.invalid", "test"
"""Whose tokens `check --links` and `doctor` try: every page answers them, and nothing is recorded."""
TOKEN_MAX = 1000
"""Characters of a token at most: an address of 254 and a long issue id need about 700."""

_SECRET_MIN = 16
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/", b"+/  ")


def make_token(secret: bytes, kind: str, email: str, issue_id: str) -> str:
    """A URL-safe token (letters, digits, `-`, `_`) of `kind` for this address and issue; the same on every call."""
    if "\0" in email or "\0" in kind:
        raise ValueError("NUL can't stand in a token")
    payload = f"{email}\0{issue_id}".encode()
    coded = binascii.b2a_base64(_token_mac(secret, kind)(payload) + payload, newline=False)
    return coded.translate(_TO_URL).rstrip(b"=").decode("ascii")


def read_token(secret: bytes, kind: str, token: str) -> tuple[str, str] | None:
    """The (email, issue id) that `make_token` put in, or None for anything it did not write, to the last bit.

    Only the one spelling of a token is valid; the signature is compared in constant time.
    """
    if len(token) > TOKEN_MAX or not token.isascii():
        return None
    coded = token.encode("ascii")
    try:
        octets = binascii.a2b_base64(coded.translate(_FROM_URL) + b"=" * (-len(coded) % 4), strict_mode=True)
    except binascii.Error:
        return None
    # Base64 ignores the last character's spare bits; a second spelling of one token would slip through.
    if binascii.b2a_base64(octets, newline=False).translate(_TO_URL).rstrip(b"=") != coded:
        return None
    mac, payload = octets[:MAC_BYTES], octets[MAC_BYTES:]
    if not hmac.compare_digest(mac, _token_mac(secret, kind)(payload)):
        return None
    email, _, issue_id = payload.decode().partition("\0")
    return email, issue_id


def digest(secret: bytes, kind: str, *values: str) -> str:
    """128 bits in hex, keyed, that only these values of this kind have; lower case, so it may stand in a Message-ID."""
    mac = _digest_mac(secret, kind, *values[:-1])  # the last is most often the address
    return mac(b"".join(map(_field, values[-1:]))).hex()


@functools.lru_cache(maxsize=64)
def _digest_mac(secret: bytes, *fields: str) -> Callable[[bytes], bytes]:
    return _mac(secret, b"".join(map(_field, ("digest", *fields))))


@functools.lru_cache(maxsize=64)
def _token_mac(secret: bytes, kind: str) -> Callable[[bytes], bytes]:
    return _mac(secret, b"token\0%b\0" % kind.encode())


def _field(value: str) -> bytes:
    octets = value.encode()
    return b"%d:%b," % (len(octets), octets)


def _mac(secret: bytes, beginning: bytes) -> Callable[[bytes], bytes]:
    """What makes HMAC-SHA-256, cut to 128 bits, of messages with one beginning.

    Key and beginning are hashed once, and a message then takes two thirds of the time that `hmac` does.
    """
    block = hashlib.sha256().block_size
    key = (secret if len(secret) <= block else hashlib.sha256(secret).digest()).ljust(block, b"\0")
    inner, outer = (hashlib.sha256(bytes(octet ^ pad for octet in key)) for pad in (0x36, 0x5C))
    inner.update(beginning)

    def mac(rest: bytes) -> bytes:
        message, made = inner.copy(), outer.copy()
        message.update(rest)
        made.update(message.digest())
        return made.digest()[:MAC_BYTES]

    return mac


def erased_key(secret: bytes, email: str) -> str:
    """What stands for an address that was erased: the same for all its spellings, and nothing without the secret."""
    return ERASED + digest(secret, "erased", address_key(email))


def load_secret(config: Config, *, to_look: bool = False) -> bytes:
    """The key of every token: NEWSLETTER_SECRET, or `.newsletter/secret`, made at first use with mode 0600.

    Processes that start together agree on one. In a CI job nothing is made for those who only look at a message: a key
    that passes with the job would hide from a live send that the newsletter's own is missing. Raises NewsletterError if
    it is too short, damaged, readable by others, or can't be made.
    """
    if given := config.secret.get_secret_value():
        if len(given.encode()) < _SECRET_MIN:
            raise NewsletterError(
                f"NEWSLETTER_SECRET is shorter than {_SECRET_MIN} characters and could be guessed; "
                "make one with `openssl rand -hex 32`",
                path="environment",
            )
        return given.encode()
    path = config.state_dir / "secret"
    if to_look and in_job() and not path.exists():
        return _passing()
    return _kept_secret(path)


def _kept_secret(path: Path) -> bytes:
    """The key in the file, made where there is none. Raises NewsletterError."""
    try:
        if not path.exists():
            _make_secret(path)
        return _read_secret(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise NewsletterError(
            f"the secret can't be read or made ({reason}); set NEWSLETTER_SECRET", path=path
        ) from None


@functools.cache
def _passing() -> bytes:
    """A key for this process alone."""
    return secrets.token_hex(32).encode()


def _make_secret(path: Path) -> None:
    """Write a new secret, whole or not at all; whoever comes second keeps the first one's."""
    state_folder(path.parent)
    handle, draft = tempfile.mkstemp(prefix=".secret-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


def _read_secret(path: Path) -> bytes:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise NewsletterError("other users can read the secret; run `chmod 600` on it", path=path)
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) < _SECRET_MIN:
        raise NewsletterError(
            "the secret is damaged; restore it from a backup, or delete it: "
            "then a new one is made, and the links in mails already sent stop working",
            path=path,
        )
    return secret
