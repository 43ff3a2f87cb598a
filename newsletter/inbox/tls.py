"""TLS for the test inbox: what programs must speak to it, and the certificate that it shows them.

The certificate is the owner's, or one for this machine's own names that is made at first use, signed by itself, and
kept with its key beside the inbox. A program that is to trust it is given that file as its certificate authority.
"""

import contextlib
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from newsletter.errors import NewsletterError
from newsletter.state.private import write_private

Demand = Literal["offered", "required", "smtps"]
"""STARTTLS may be said; must be said before anything else; or TLS stands from the first byte."""
CERTIFICATE_NAME = "inbox-certificate.pem"
KEY_NAME = "inbox-key.pem"
NAMES = ("localhost",)
ADDRESSES = ("127.0.0.1", "::1")
LASTS = timedelta(days=825)
"""The longest that Apple's programs take a certificate for."""
LEAST = timedelta(days=30)
"""What is nearer to its end is made anew."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What the server does about TLS; without `context`, nothing."""

    context: ssl.SSLContext | None = None
    certificate: Path = Path()
    demand: Demand = "offered"

    @property
    def is_required(self) -> bool:
        return self.context is not None and self.demand == "required"

    @property
    def from_start(self) -> ssl.SSLContext | None:
        """The context of connections that begin with it."""
        return self.context if self.demand == "smtps" else None


def load_tls(demand: Demand, certificate: Path, key: Path | None = None) -> Tls:
    """TLS with the certificate of a file (PEM, its chain behind it), which may hold the key too. NewsletterError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        what = f"is no certificate with its key ({error.reason or error}); give a PEM file that holds both"
        raise NewsletterError(what, path=certificate) from None
    except OSError as error:
        raise NewsletterError(f"can't be read ({error.strerror})", path=certificate) from None
    return Tls(context, certificate, demand)


def own_certificate(folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> tuple[Path, Path]:
    """The files of a certificate for this machine's own names and of its key; made in `folder` where they are missing
    or soon over. Raises NewsletterError."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    certificate, private = folder / CERTIFICATE_NAME, folder / KEY_NAME
    with contextlib.suppress(OSError, ValueError):  # then they are made anew
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        key_found = serialization.load_pem_private_key(private.read_bytes(), None)
        if found.not_valid_after_utc > now() + LEAST and found.public_key() == key_found.public_key():
            return certificate, private
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "newsletter test inbox")])
    names: list[x509.GeneralName] = [x509.DNSName(one) for one in NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(one)) for one in ADDRESSES]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + LASTS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    try:
        write_private(private, pem.decode())
        write_private(certificate, signed.public_bytes(serialization.Encoding.PEM).decode())
    except OSError as error:
        raise NewsletterError(
            f"can't be written ({error.strerror}); make room, or the folder writable", path=folder
        ) from None
    return certificate, private
