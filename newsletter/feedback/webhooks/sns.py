"""Amazon SNS: is a message signed by Amazon, for our topic, and fresh?

RSA (PKCS #1 v1.5) over a canonical string, SHA-1 in version 1 and SHA-256 in version 2; the certificate comes from a
host of SNS alone, over TLS. Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import Certificate, load_pem_x509_certificate

from newsletter.feedback.webhooks.posted import Posted, WebhookRefused, is_same, text

Fetch = Callable[[str], bytes]
"""GET an https address; raises OSError."""

_HOST = re.compile(r"sns\.[a-z]{2}(?:-[a-z]+)+-\d\.amazonaws\.com(?:\.cn)?")
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]{1,80}\.pem")
_FIELDS = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES: dict[str, type[HashAlgorithm]] = {"1": SHA1, "2": SHA256}
RETRIED = 3900.0
"""Seconds for which SNS tries a message again, under its first time stamp."""
_AHEAD = 300.0


def read_signed(posted: Posted, topic: str, certificates: dict[str, Certificate], fetch: Fetch) -> dict[str, object]:
    """The message; `certificates` keeps those that were fetched. Raises WebhookRefused."""
    message = posted.json()
    if not isinstance(message, dict) or text(message, "Type") not in _FIELDS:
        raise WebhookRefused("no message of SNS", 400)
    if not is_same(_whole(message, "TopicArn"), topic):
        raise WebhookRefused("another topic")
    url = _whole(message, "SigningCertURL") or _whole(message, "SigningCertUrl")
    if not is_of_sns(url) or not _CERTIFICATE.fullmatch(urlsplit(url).path):
        raise WebhookRefused("a certificate from elsewhere")
    age = posted.now - _moment(_whole(message, "Timestamp"))
    if not -_AHEAD <= age <= RETRIED:
        raise WebhookRefused("stale")
    if url not in certificates:
        certificates[url] = _certificate(url, fetch)
    _verify(message, certificates[url], posted.now)
    return message


def is_of_sns(url: str) -> bool:
    """Is this an address of SNS itself?"""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme == "https" and port in (None, 443) and bool(_HOST.fullmatch(parts.netloc.removesuffix(":443")))


def fetch_https(url: str) -> bytes:
    """GET without redirects, bounded in time and size. Raises OSError."""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(), urllib.request.HTTPSHandler(context=ssl.create_default_context()), _Stay()
    )
    with opener.open(url, timeout=10) as answer:
        return bytes(answer.read(64 * 1024))


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Nowhere else."""


def _certificate(url: str, fetch: Fetch) -> Certificate:
    try:
        return load_pem_x509_certificate(fetch(url))
    except (OSError, ValueError):
        raise WebhookRefused("its certificate can't be had now", 503) from None


def _verify(message: dict[str, object], certificate: Certificate, now: float) -> None:
    key, algorithm = certificate.public_key(), _HASHES.get(text(message, "SignatureVersion"))
    until, since = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if not isinstance(key, rsa.RSAPublicKey) or algorithm is None:
        raise WebhookRefused("an unknown kind of signature")
    if not since <= datetime.fromtimestamp(now, UTC) <= until:
        raise WebhookRefused("its certificate has expired")
    names = [name for name in _FIELDS[text(message, "Type")] if isinstance(message.get(name), str)]
    signed = "".join(f"{name}\n{message[name]}\n" for name in names).encode("utf-8", "surrogatepass")
    try:
        signature = base64.b64decode(_whole(message, "Signature"), validate=True)
        key.verify(signature, signed, padding.PKCS1v15(), algorithm())
    except (InvalidSignature, ValueError):
        raise WebhookRefused("no valid signature") from None


def _whole(message: dict[str, object], name: str) -> str:
    found = message.get(name)
    return found if isinstance(found, str) else ""


def _moment(stamp: str) -> float:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        raise WebhookRefused("stale") from None
