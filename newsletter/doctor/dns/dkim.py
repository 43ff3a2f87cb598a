"""DKIM: do the records of our keys stand in DNS, and are they those of the keys that sign? (RFC 6376, 8301, 8463)"""

import base64
import binascii
import re
import time
from pathlib import Path

from newsletter.compose.message.dkim_key import RSA_LEAST, SELECTOR, SigningKey
from newsletter.config.settings import Config
from newsletter.doctor.diagnosis import Diagnosis, Result, shortened, zone_lines
from newsletter.doctor.dns.resolver import Answer, Resolver
from newsletter.doctor.identity import Identity

CHECK = "dkim"
RSA_GOOD = 2048
OLD = 365
"""Days after which a key is worth a new one (M3AAWG asks for twice a year)."""


async def examine_dkim(config: Config, identity: Identity, resolver: Resolver) -> list[Diagnosis]:
    """The record of each key; and what signs where no key is named."""
    if identity.key_trouble is not None:
        return [Diagnosis(CHECK, "fail", str(identity.key_trouble), "see docs/how-to/dkim.md")]
    if not identity.keys:
        return [_unsigned(identity), *await _left_behind(identity, resolver)]
    files = config.dkim.key_file if isinstance(config.dkim.key_file, list) else [config.dkim.key_file]
    diagnoses = []
    for key, file in zip(identity.keys, files, strict=True):
        found = await _examine_key(key, resolver)
        if not any(one.result == "fail" for one in found):
            found += _aged(key, config.root / file)
        diagnoses += found
    if all(key.kind == "ed25519" for key in identity.keys):
        what = "mail is signed with Ed25519 alone, which Gmail, Yahoo and Microsoft do not verify"
        fix = "make an RSA key beside it: `newsletter dkim generate --selector rsa`"
        diagnoses.append(Diagnosis(CHECK, "warn", what, fix))
    return diagnoses


def _unsigned(identity: Identity) -> Diagnosis:
    known = [profile.name for _, profile in identity.profiles() if profile and profile.signs]
    fix = "run `newsletter dkim generate`: it makes a key, and prints the record and the lines for newsletter.toml"
    if known and len(known) == len(identity.relays):
        what = f"no [dkim] key: whether {', '.join(known)} signs for {identity.domain} can't be told from here"
        return Diagnosis(CHECK, "warn", what, f"set up {identity.domain} there, and run `doctor --probe`; or {fix}")
    return Diagnosis(CHECK, "warn", f"no [dkim] key, so no message is signed for {identity.domain} by newsletter", fix)


async def _examine_key(key: SigningKey, resolver: Resolver) -> list[Diagnosis]:
    answer = await resolver.ask(key.name, "TXT")
    if answer.outcome == "trouble":
        what = f"the DKIM record {key.name} can't be read: {answer.trouble}"
        return [Diagnosis(CHECK, "fail", what, "fix the domain's name servers")]
    records = [text for text in answer.records if _is_key(text)]
    if not records:
        return [await _missing(key, answer, resolver)]
    if len(records) > 1:
        what = f"{key.name} has {len(records)} DKIM records, and receivers take any one of them"
        return [Diagnosis(CHECK, "fail", what, _instead(key, f"all {len(records)}"))]
    wrong, result = _wrong(key, records[0])
    if wrong:
        return [Diagnosis(CHECK, result, f"the DKIM record {key.name} {wrong}", _instead(key, "what is there"))]
    bits = f", {_bits_of(base64.b64encode(key.public).decode())} bits" if key.kind == "rsa" else ""
    return [Diagnosis(CHECK, "pass", f"the DKIM record {key.name} is that of our key ({key.kind}{bits})")]


async def _missing(key: SigningKey, answer: Answer, resolver: Resolver) -> Diagnosis:
    fix = zone_lines(key.domain, key.zone_line)
    twice = f"{key.name}.{key.domain}"
    found = await resolver.ask(twice, "TXT")
    if any(map(_is_key, found.records)):
        what = f"the DKIM record stands at {twice}: the panel adds {key.domain} by itself"
        return Diagnosis(CHECK, "fail", what, f"name it {key.selector}._domainkey there\n{key.zone_line}")
    bare = f"{key.selector}.{key.domain}"
    found = await resolver.ask(bare, "TXT")
    if any(map(_is_key, found.records)):
        what = f"the DKIM record stands at {bare}, where nobody looks"
        return Diagnosis(CHECK, "fail", what, f"move it to {key.name}\n{key.zone_line}")
    if answer.records:
        what = f"{key.name} has no DKIM record but {answer.records[0][:60]!r}: no signature of ours can be verified"
        return Diagnosis(CHECK, "fail", what, _instead(key, "it"))
    led = f" (an alias of {answer.aliases[-1]}, where there is none)" if answer.aliases else ""
    what = f"there is no DKIM record at {key.name}{led}: no signature of ours can be verified"
    return Diagnosis(CHECK, "fail", what, fix)


async def _left_behind(identity: Identity, resolver: Resolver) -> list[Diagnosis]:
    """A record under the selector that `dkim generate` takes, where nothing here signs with its key."""
    name = f"{SELECTOR}._domainkey.{identity.domain}"
    records = [text for text in (await resolver.ask(name, "TXT")).records if _is_key(text)]
    if not records:
        return []
    wrong, result = _wrong(None, records[0])
    if not wrong:
        what = f"the DKIM record {name} stands there, and [dkim] names no key for it"
        return [
            Diagnosis(CHECK, "warn", what, "name the key in [dkim], or take the record out; see docs/how-to/dkim.md")
        ]
    fix = "make a new key and record: `newsletter dkim generate`, or take the record out"
    return [Diagnosis(CHECK, result, f"the DKIM record {name} {wrong}", fix)]


def _wrong(key: SigningKey | None, record: str) -> tuple[str, Result]:
    """What is wrong with the record of `key`, after its name, and how bad that is; empty for a good one."""
    tags = read_tags(record)
    names = [name for name, _ in tags]
    values = dict(tags)
    if words := re.search(r"=\s*[^;=]*\s([a-z])\s*=", record):
        return f"lacks a semicolon before {words[1]}=, so it can't be read", "fail"
    if capital := re.search(r"(?:^|;)\s*([A-Z])\s*=", record):
        return f"has {capital[1]}=, and DKIM's tags are written small: {capital[1].lower()}=", "fail"
    if len(set(names)) < len(names):
        return f"has {next(name for name in names if names.count(name) > 1)}= twice, so it is void", "fail"
    if "v" in values and (values["v"] != "DKIM1" or names[0] != "v"):
        further = "" if names[0] == "v" else " further on"
        return f"must begin with v=DKIM1, and has v={shortened(values['v'], 40)}{further}", "fail"
    if "p" not in values:
        return "has no p=, the key itself", "fail"
    public = re.sub(r"\s", "", values["p"])
    if not public:
        return "revokes the key: its p= is empty", "fail"
    kind = values.get("k", "rsa")
    if key is not None and kind != key.kind:
        return f"is of a key of another kind (k={kind}, and ours is {key.kind})", "fail"
    if "sha256" not in values.get("h", "sha256").lower().replace(" ", "").split(":"):
        return f"allows h={values['h']} alone, and messages are signed with sha256", "fail"
    if not {"*", "email"} & set(values.get("s", "*").lower().replace(" ", "").split(":")):
        return f"is not for mail (s={values['s']})", "fail"
    if _is_private(public):
        return (
            "shows a PRIVATE key to the world: whoever reads it can sign as you; take it out, and make a new one",
            "fail",
        )
    if key is not None and (wrong := _mismatch(key, public)):
        return wrong, "fail"
    bits = _bits_of(public) if kind == "rsa" else RSA_GOOD
    if bits < RSA_GOOD:
        short = f"is of a short key of {bits} bits" if bits else "holds no key that can be read"
        return f"{short}: some receivers take none under {RSA_GOOD}", "warn" if bits >= RSA_LEAST else "fail"
    if "y" in values.get("t", "").lower().replace(" ", "").split(":"):
        return "says t=y, testing: receivers treat the mail as unsigned", "warn"
    return "", "pass"


def _mismatch(key: SigningKey, public: str) -> str:
    ours = base64.b64encode(key.public).decode("ascii")
    if public == ours:
        return ""
    if len(public) < len(ours) and ours.startswith(public):
        return f"is cut off after {len(public)} of the key's {len(ours)} characters: give it as strings of at most 255"
    try:
        octets = base64.b64decode(public, validate=True)
    except (binascii.Error, ValueError):
        strange = re.sub(r"[A-Za-z0-9+/=]", "", public)[:1]
        return (
            f"has a p= that is no base64{f', with {strange} in it' if strange else ''}: something was lost in copying"
        )
    if key.kind == "rsa" and _public_numbers(octets) == _public_numbers(key.public) is not None:
        return "is of our key in a form that few read (PKCS #1)"
    bits = _bits_of(public) if key.kind == "rsa" else RSA_GOOD
    short = f", and is short, of {bits} bits" if 0 < bits < RSA_GOOD else ""
    return f"is of another key than the one that signs (mismatch){short}: every signature fails"


def _is_private(text: str) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        return bool(load_der_private_key(base64.b64decode(text), password=None))
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _public_numbers(octets: bytes) -> tuple[int, int] | None:
    """Exponent and modulus of an RSA key, in whatever form it is written."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return (key.public_numbers().e, key.public_numbers().n) if isinstance(key, rsa.RSAPublicKey) else None


def _bits_of(public: str) -> int:
    """The length of the RSA key in a record's `p=`; 0 for what is none."""
    try:
        numbers = _public_numbers(base64.b64decode(public))
    except (binascii.Error, ValueError):
        return 0
    return numbers[1].bit_length() if numbers else 0


def _aged(key: SigningKey, path: Path) -> list[Diagnosis]:
    try:
        days = int((time.time() - path.stat().st_mtime) / 86_400)
    except OSError:
        return []
    if days <= OLD:
        return []
    what = f"the DKIM key {key.selector} of {key.domain} is {days} days old"
    fix = "make a new one: `newsletter dkim generate --selector NAME`; the old record stays for a week"
    return [Diagnosis(CHECK, "warn", what, fix)]


def _instead(key: SigningKey, what: str) -> str:
    return zone_lines(key.domain, key.zone_line, instead=what)


def _is_key(text: str) -> bool:
    """Is this TXT record meant as a key? A wildcard's SPF record is not."""
    names = {name for name, _ in read_tags(text)}
    return "p" in names or text.strip().lower().startswith("v=dkim")


def read_tags(text: str) -> list[tuple[str, str]]:
    """`v=DKIM1; k=rsa; p=…` as names and values, in order (RFC 6376 section 3.2); names in lower case."""
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return [(name.strip().lower(), value.strip()) for name, _, value in pairs]
