"""What providers post, in the shapes that they document, signed with keys of our own."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

NOW = 1_800_000_000
TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b2c3d.pem"
MAILGUN_KEY = "key-of-our-own"
RESEND_SECRET = "whsec_" + base64.b64encode(b"a secret of our own, 32 bytes...").decode()
SHARED = "postmark:a-long-secret"

SNS_KEY = rsa.generate_private_key(65537, 2048)
SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())
SENDGRID_PUBLIC = base64.b64encode(
    SENDGRID_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()

Request = tuple[bytes, dict[str, str]]
"""Body and header."""


def certificate(key: rsa.RSAPrivateKey = SNS_KEY) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    since = datetime.fromtimestamp(NOW, UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(since).not_valid_after(since + timedelta(days=30))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def sns(told: Any, changes: dict[str, str] | None = None, *, key: rsa.RSAPrivateKey = SNS_KEY) -> Request:
    """A notification; `changes` are made before it is signed."""
    moment = datetime.fromtimestamp(NOW - 5, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    message = {
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC,
        "Message": json.dumps(told), "Timestamp": moment, "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL, **(changes or {}),
    }  # fmt: skip
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if name in message).encode()
    signature = key.sign(signed, padding.PKCS1v15(), SHA1() if message["SignatureVersion"] == "1" else SHA256())
    message["Signature"] = base64.b64encode(signature).decode()
    return json.dumps(message).encode(), {"Content-Type": "text/plain; charset=UTF-8"}


def ses(kind: str, email: str, headers: tuple[dict[str, str], ...] = (), *, id_: str = "0100-none") -> dict[str, Any]:
    mail = {"messageId": id_, "destination": [email], "headers": headers}
    if kind == "Complaint":
        people = [{"emailAddress": email}]
        return {"notificationType": kind, "mail": mail, "complaint": {"complainedRecipients": people}}
    words = {"Permanent": "smtp; 550 5.1.1 user unknown", "Transient": "smtp; 452 4.2.2 mailbox full"}[kind]
    people = [{"emailAddress": f'"Léa" <{email}>', "action": "failed", "diagnosticCode": words}]
    bounce = {"bounceType": kind, "bounceSubType": "General", "bouncedRecipients": people}
    return {"notificationType": "Bounce", "mail": mail, "bounce": bounce}


def sendgrid(*events: dict[str, Any], at: int = NOW, key: ec.EllipticCurvePrivateKey = SENDGRID_KEY) -> Request:
    body = json.dumps(events).encode()
    signature = key.sign(str(at).encode() + body, ec.ECDSA(SHA256()))
    return body, {
        "X_Twilio_Email_Event_Webhook_Signature": base64.b64encode(signature).decode(),
        "X_Twilio_Email_Event_Webhook_Timestamp": str(at),
    }


def mailgun(event: dict[str, Any], *, at: int = NOW, token: str = "a" * 50, key: str = MAILGUN_KEY) -> Request:
    mac = hmac.new(key.encode(), f"{at}{token}".encode(), hashlib.sha256).hexdigest()
    signature = {"timestamp": str(at), "token": token, "signature": mac}
    return json.dumps({"signature": signature, "event-data": event}).encode(), {}


def resend(kind: str, data: dict[str, Any], *, at: int = NOW, secret: str = RESEND_SECRET) -> Request:
    id_ = "msg_1"
    body = json.dumps({"type": kind, "created_at": "2027-01-15T08:00:00.000Z", "data": data}).encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = base64.b64encode(hmac.new(key, f"{id_}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
    return body, {"svix_id": id_, "svix_timestamp": str(at), "svix_signature": f"v1,c29tZXRoaW5nIGVsc2U= v1,{mac}"}


def shared(value: Any, secret: str = SHARED) -> Request:
    """Postmark's and Brevo's, with basic authentication."""
    return json.dumps(value).encode(), {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
