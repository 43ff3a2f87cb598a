"""What may stand in an envelope, and why the rest may not."""

import email_validator
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.audience.address import address_key, needs_smtputf8, normalize_address, split_mailbox
from newsletter.errors import NewsletterError


@pytest.mark.parametrize(
    ("typed", "mailed"),
    [
        ("ada@example.org", "ada@example.org"),
        ("  Ada@EXAMPLE.Org\n", "Ada@example.org"),
        ("ada+news@mail.example.com", "ada+news@mail.example.com"),
        ("o'brien@example.net", "o'brien@example.net"),
        ("ada@localhost", "ada@localhost"),
        ("o'brien@LOCALHOST", "o'brien@localhost"),
        ("ada@relay.test", "ada@relay.test"),
        ("o'brien@relay.test", "o'brien@relay.test"),
        ("ada@münchen.example", "ada@xn--mnchen-3ya.example"),
        ("ada@日本語.example", "ada@xn--wgv71a119e.example"),
        ("ada@xn--mnchen-3ya.example", "ada@xn--mnchen-3ya.example"),
        ("zoë@example.org", "zoë@example.org"),
        ("zoe\u0308@example.org", "zoë@example.org"),
        ("ада@example.org", "ада@example.org"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_an_address_is_accepted_as_it_is_mailed_to(typed: str, mailed: str) -> None:
    assert normalize_address(typed) == mailed


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "empty"),
        ("ada.example.org", "no '@' in 'ada.example.org'"),
        ("@example.org", "nothing stands before"),
        ("@evil.example:ada@example.org", "nothing stands before"),
        ("ada@", "after the @-sign"),
        ("ada@example", "period"),
        ("ada@192.0.2.1", "@-sign"),
        ("ada@[192.0.2.1]", "bracketed"),
        ("ada@example.invalid", "special-use"),
        ("ada@printer.local", "special-use"),
        ("ada@-example.org", "hyphen"),
        ("ada@ex--ample.org", "dashes"),
        ("ada..b@example.org", "two periods"),
        ("ada@example.org,bob@example.org", "more than one"),
        ("ada@example.org; bob@example.org", "more than one"),
        ("ada@@example.org", "more than one"),
        ("Ada <ada@example.org>", "is more than an address"),
        ("mailto:ada@example.org", "is more than an address"),
        ('"ada b"@example.org', "quoted"),
        ("ada(work)@example.org", "comment"),
        ("ada b@example.org", "a space"),
        ("-oQ/tmp@example.org", "begins with '-'"),
        ("ada\u202e@example.org", r"U\+202E"),
        ("ada\u200b@example.org", r"U\+200B"),
        ("ada@example.org\r\nBcc: bob@example.org", r"U\+000D"),
        ("ada\0@example.org", r"U\+0000"),
        ("aда@example.org", "mixes Cyrillic and Latin"),
        ("ada@exаmple.org", "mixes Cyrillic and Latin"),
        ("ada@xn--exmple-4nf.org", "mixes Cyrillic and Latin"),
        ("a" * 65 + "@example.org", "too long"),
        ("ada@" + "b" * 64 + ".org", "too many"),
        ("ada@" + ".".join(["b" * 60] * 5) + ".org", "too long"),
        ("\ud800@example.org", r"U\+D800"),
    ],
)
def test_anything_else_is_refused_with_the_reason(typed: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        normalize_address(typed)


def test_a_reason_never_quotes_a_novel() -> None:
    with pytest.raises(ValueError, match="@") as caught:
        normalize_address("x" * 100_000)
    assert len(str(caught.value)) < 200


_LABEL = st.text("abXN09-", min_size=1, max_size=6)
_NEAR_ADDRESSES = st.builds(
    lambda local, labels, end: f"{local}@{'.'.join([*labels, end])}",
    st.text("abZ09_+.'-", min_size=1, max_size=20),
    st.lists(_LABEL, max_size=3),
    _LABEL | st.sampled_from(["org", "com", "test", "local", "invalid", "arpa", "onion", "localhost", "LOCAL", "1"]),
)


@settings(max_examples=500, deadline=None)
@given(_NEAR_ADDRESSES)
@example("a@" + "b" * 63 + "." + "c" * 63 + "." + "d" * 63 + "." + "e" * 55 + ".org")
@example("a@xn--.org")
@example("a@a-b.org")
def test_the_fast_pattern_accepts_nothing_that_email_validator_refuses(address: str) -> None:
    try:
        mailed = normalize_address(address)
    except ValueError:
        return
    if not mailed.endswith("@localhost"):
        valid = email_validator.validate_email(address, check_deliverability=False, strict=True, test_environment=True)
        assert mailed == f"{valid.local_part}@{valid.ascii_domain}"


@settings(max_examples=200)
@given(st.text(max_size=40) | _NEAR_ADDRESSES)
def test_what_is_accepted_is_accepted_again_unchanged_and_fits_an_envelope(text: str) -> None:
    try:
        address = normalize_address(text)
    except ValueError:
        return
    assert normalize_address(address) == address
    assert address_key(address) == address_key(address.upper()) or not address.isascii()
    assert len(address.encode()) <= 254 + 64
    assert not set(address) & set(' \t\r\n\0<>"(),;')
    assert address.count("@") == 1


def test_one_person_has_one_key_however_the_address_is_spelled() -> None:
    assert address_key("Ada@Example.org") == address_key("ada@example.ORG") == "ada@example.org"
    assert address_key("ZOË@example.org") == address_key("zoë@example.org")


def test_only_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    assert needs_smtputf8(normalize_address("zoë@example.org"))
    assert not needs_smtputf8(normalize_address("ada@münchen.example"))


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("Ada Moreau <ada@example.org>", ("Ada Moreau", "ada@example.org")),
        ('"Moreau, Ada" <ada@example.org>', ("Moreau, Ada", "ada@example.org")),
        (r'"Ada \"A\" Moreau" <ada@example.org>', ('Ada "A" Moreau', "ada@example.org")),
        ("Zoë Brontë-Nuñez<zoe@EXAMPLE.org>", ("Zoë Brontë-Nuñez", "zoe@example.org")),
        ("<ada@example.org>", ("", "ada@example.org")),
        ("ada@example.org", ("", "ada@example.org")),
    ],
)
def test_a_mailbox_is_a_name_and_an_address(text: str, mailbox: tuple[str, str]) -> None:
    assert split_mailbox(text) == mailbox


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("Ada", "no '@' in 'Ada'; write it as"),
        ("Moreau, Ada <ada@example.org>", "a name with a comma needs quotes"),
        ("Ada <ada@example.org> <bob@example.org>", "is more than an address"),
        ("Ada\u202e <ada@example.org>", r"U\+202E"),
        ("Ada\r\nBcc: bob <ada@example.org>", r"U\+000D"),
    ],
)
def test_a_mailbox_that_can_not_be_read_names_its_key_and_the_way_to_write_it(text: str, reason: str) -> None:
    with pytest.raises(NewsletterError, match=reason) as caught:
        split_mailbox(text, "[newsletter] author")
    assert str(caught.value).startswith("[newsletter] author: ")
