"""The keys that messages are signed with, and their DNS records (RFC 6376 section 3.6.1, RFC 8463).

A key is a PEM file that only its owner may read. Signing is `dkim`'s business.
"""

import base64
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from newsletter.audience.address import ascii_domain
from newsletter.config.settings import Config
from newsletter.errors import NewsletterError

KeyType = Literal["rsa", "ed25519"]
SELECTOR = "newsletter"
RSA_BITS = 2048
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_FILE_MOST = 65_536  # bytes; a key of 16,384 bits has 13,000
_NAME_MOST = 180  # with the other and "_domainkey" under the 253 of RFC 1035
RSA_LEAST = 1024  # what verifiers accept at all (RFC 8301 section 3.2)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and where its public half stands: `selector._domainkey.domain`."""

    domain: str  # in ASCII: punycode where it is international
    selector: str
    kind: KeyType
    sign: Callable[[bytes], bytes]  # of a SHA-256 digest
    public: bytes  # as `p=` has it, before base64

    @property
    def algorithm(self) -> str:
        """As `a=` names it."""
        return f"{self.kind}-sha256"

    @property
    def name(self) -> str:
        """The domain name of its record."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The text of its record."""
        return f"v=DKIM1; k={self.kind}; p={base64.b64encode(self.public).decode('ascii')}"

    @property
    def zone_line(self) -> str:
        """Its record as a zone file has it."""
        return text_record(self.name, self.record)


def text_record(name: str, text: str) -> str:
    """A TXT record as a zone file has it: strings of at most 255 characters (RFC 1035 section 3.3)."""
    pieces = (text[at : at + 250].replace("\\", "\\\\").replace('"', '\\"') for at in range(0, len(text), 250))
    strings = [f'"{piece}"' for piece in pieces]
    return f"{name}. IN TXT {strings[0]}" if len(strings) == 1 else f"{name}. IN TXT ( {' '.join(strings)} )"


def load_keys(config: Config) -> tuple[SigningKey, ...]:
    """The keys that `[dkim]` names, in their order; none where it is empty. Raises NewsletterError."""
    own = config.dkim
    lists = {name: _listed(getattr(own, name)) for name in ("domain", "selector", "key_file")}
    if not any(lists.values()):
        return ()
    for name, values in lists.items():
        if len(values) != max(map(len, lists.values())):
            raise NewsletterError(
                "[dkim] domain, selector and key_file go together, a value for each key; "
                f"{name} has {len(values) or 'none'}",
                **config.where("dkim", name if values else next(other for other in lists if lists[other])),
            )
    files = zip(lists["domain"], lists["selector"], lists["key_file"], strict=True)
    with config.naming("dkim", "domain"):
        return tuple(read_key(config.root / file, domain, selector) for domain, selector, file in files)


def read_key(path: Path, domain: str, selector: str) -> SigningKey:
    """The key in a PEM file. Raises NewsletterError where it can't be read, others may read it, or it is too weak."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "is no file, and a DKIM key is one; `newsletter dkim generate` makes one"
            raise NewsletterError(what, path=path)
        with path.open("rb") as file:
            octets = file.read(_FILE_MOST)
    except OSError as error:
        raise NewsletterError(
            f"the DKIM key can't be read ({error.strerror}); `newsletter dkim generate` makes one", path=path
        ) from None
    if mode & 0o077:
        raise NewsletterError("other users can read this DKIM key; run `chmod 600` on it", path=path)
    try:
        key = load_pem_private_key(octets, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NewsletterError(
            "is no private key in PEM without a password; `newsletter dkim generate` makes one", path=path
        ) from None
    return _signing_key(key, domain, selector, path)


def generate_key(path: Path, domain: str, selector: str, kind: KeyType) -> SigningKey:
    """Make a key, write it to `path` with mode 0600, never over another. Raises NewsletterError."""
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = (
        ed25519.Ed25519PrivateKey.generate()
        if kind == "ed25519"
        else rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    )
    signing_key = _signing_key(key, domain, selector, path)
    octets = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(octets)
            os.fsync(file.fileno())
    except FileExistsError:
        raise NewsletterError(
            "is there already, and a key is never written over; give another --selector, or move it away", path=path
        ) from None
    except OSError as error:
        raise NewsletterError(f"can't be written: {error.strerror}; make room or fix its folder", path=path) from None
    return signing_key


def _signing_key(key: Any, domain: str, selector: str, path: Path) -> SigningKey:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa, utils
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    domain, selector = dns_name(domain, "domain"), dns_name(selector, "selector")
    if isinstance(key, ed25519.Ed25519PrivateKey):
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return SigningKey(domain, selector, "ed25519", key.sign, public)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise NewsletterError("is neither an RSA nor an Ed25519 key, which DKIM asks for; make another", path=path)
    if key.key_size < RSA_LEAST:
        raise NewsletterError(f"has {key.key_size} bits, which nobody accepts; make one of {RSA_BITS}", path=path)
    pkcs1, prehashed = padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(domain, selector, "rsa", lambda digest: key.sign(digest, pkcs1, prehashed), public)


def dns_name(name: str, what: str) -> str:
    """A domain or selector as DNS has it: lower case, punycode. Raises NewsletterError for what can't be one."""
    try:
        found = name.strip().rstrip(".").lower()
        found = ascii_domain(found)
        is_address = what == "domain" and found.rpartition(".")[2].isdecimal()
        if len(found) <= _NAME_MOST and all(map(_LABEL.fullmatch, found.split("."))) and not is_address:
            return found
    except UnicodeError:
        pass
    raise NewsletterError(f"{name[:80]!r} can't be a DKIM {what}; give letters, digits and hyphens, as in DNS")


def _listed(value: str | list[str]) -> list[str]:
    return ([value] if value else []) if isinstance(value, str) else list(value)
