"""SPF records, each wrong in another way: named, with the line that mends it."""

import pytest

from tests.doctor.conftest import Look
from tests.doctor.records import SPF, cut, one


def _line(text: str) -> str:
    return f"{SPF} {cut(text)}"


ELEVEN = " ".join(f"include:s{n}.example.net" for n in range(11))
TEN_MX = "\n".join(f"many.example.net. IN MX 10 m{n}.example.net." for n in range(11))
OURS = "ip4:192.0.2.25 ip6:2001:db8::25"
LONG = " ".join(f"ip4:198.51.100.{n}" for n in range(40))
SPF_KINDS = [
    ("", "no SPF record", 'example.org. IN TXT "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 ~all"'),
    ("v=spf1 ip4:192.0.2.25 ~all|v=spf1 mx -all", "2 SPF records", '"v=spf1 ip4:192.0.2.25 mx ~all"'),
    (f"v=spf1 {ELEVEN} -all", "11 look-ups", "include:s10.example.net (1)"),
    ("v=spf1 a:x.example.net a:y.example.net mx:z.example.net -all", "3 void look-ups", '"v=spf1 -all"'),
    ("v=spf1 include:lost.example.net -all", "lost.example.net has no SPF record", "include:lost.example.net"),
    ("v=spf1 include:circle.example.net -all", "circle", "include:example.org"),
    ("v=spf1 ip4:198.51.100.1 -all", "does not include the relay", "ip4:198.51.100.1 ip4:192.0.2.25 ip6:2001:db8::25 -all"),
    ("v=spf1 ip4:192.0.2.25 -all", "2001:db8::25 (fail)", "ip4:192.0.2.25 ip6:2001:db8::25 -all"),
    ("v=spf1 mx +all", "everybody", '"v=spf1 mx ~all"'),
    ("v=spf1 all", "everybody", '"v=spf1 ~all"'),
    ("v=spf1 ip4:0.0.0.0/0 ip6:::/0 -all", "everybody", '"v=spf1 ~all"'),
    ("v=spf1 ip4:192.0.0.0/8 ip6:2001:db8::25 -all", "many owners", "network"),
    ("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 ptr -all", "ptr", '"v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"'),
    ("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25", "does not end with `all`", "ip6:2001:db8::25 ~all"),
    ("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 ?all", "?all", "ip6:2001:db8::25 ~all"),
    ("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all a", "after -all", '"v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 a -all"'),
    ("v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 redirect=s0.example.net -all", "redirect=", "ip6:2001:db8::25 -all"),
    ("v=spf1 ipv4:192.0.2.25 -all", "no term of SPF", "write ip4:192.0.2.25"),
    ("v=spf1 192.0.2.25 -all", "no term of SPF", "write ip4:192.0.2.25"),
    ("v=spf1 ip4:2001:db8::25 -all", "no network of its kind", "write ip6:2001:db8::25"),
    ("v=spf1 ip4:relay.example.net -all", "no network", "a:mail.example.org"),
    ("v=spf1 include: s0.example.net -all", "names no domain", "without a blank"),
    ("v=spf1 include:https://s0.example.net -all", "no", "include"),
    ("v=spf1 include=s0.example.net -all", "no term", "write include:s0.example.net"),
    ("v=spf1 include:two.example.net -all", "has 2 SPF records", "two.example.net"),
    ("v=spf1 include:broken.example.net -all", "the record of broken.example.net", "tell broken.example.net"),
    ("v=spf1 mx:many.example.net -all", "11 mail hosts", "ip4"),
    ("v=spf1 redirect=lost.example.net", "lost.example.net has no SPF record", "redirect=lost.example.net"),
    ("v=spf1; ip4:192.0.2.25 -all", "is not read", '"v=spf1 ip4:192.0.2.25'),
    (" v=spf1 ip4:192.0.2.25 -all", "is not read", '"v=spf1 ip4:192.0.2.25'),
    ("spf1 ip4:192.0.2.25 -all", "is not read", '"v=spf1 ip4:192.0.2.25'),
    ("v=spf2.0 ip4:192.0.2.25 -all", "is not read", '"v=spf1 ip4:192.0.2.25'),
    (f"v=spf1 {OURS} –all", "no term of SPF", f'"v=spf1 {OURS} -all"'),
    (f"v=spf1 exists:%{{z}}.example.net {OURS} -all", "names no domain", f'"v=spf1 {OURS} -all"'),
    ("v=spf1 include:%{d} -all", "circle", f'"v=spf1 {OURS} -all"'),
    ("v=spf1 include:open.example.net -all", "lets everybody send", f'"v=spf1 {OURS} -all"'),
    (f"v=spf1 {OURS} include:ptr.example.net -all", "uses `ptr`: slow", "tell ptr.example.net"),
    (f"v=spf1 {OURS} mx MX -all", "twice", f'"v=spf1 {OURS} mx -all"'),
    ("v=spf1 -ip4:192.0.2.25 ip4:192.0.2.0/24 -all", "192.0.2.25 (fail)", f'"v=spf1 {OURS} -ip4'),
    (f"v=spf1 {OURS} include:lost2.example.net -all", "2 void look-ups", f'"v=spf1 {OURS} -all"'),
    (f"v=spf1 {OURS} {LONG} -all", "characters long", 'include:_spf1.example.org include:_spf2.example.org -all"'),
]  # fmt: skip
OTHERS = (
    'ptr.example.net. IN TXT "v=spf1 ptr -all"\n'
    'open.example.net. IN TXT "v=spf1 +all"\n'
    'lost2.example.net. IN TXT "v=spf1 a:x.example.net exists:y.example.net -all"\n'
    + "\n".join(f's{n}.example.net. IN TXT "v=spf1 -all"' for n in range(11))
    + f'\ncircle.example.net. IN TXT "v=spf1 include:example.org -all"\n{TEN_MX}\n'
    + 'two.example.net. IN TXT "v=spf1 -all"\ntwo.example.net. IN TXT "v=spf1 ~all"\n'
    + 'broken.example.net. IN TXT "v=spf1 ip4:300.1.2.3 -all"\nx.y.example.net. IN A 192.0.2.1\n'
)


@pytest.mark.parametrize(("records", "what", "fix"), SPF_KINDS, ids=[record or "none" for record, _, _ in SPF_KINDS])
def test_a_wrong_spf_record_is_named_with_its_line(look: Look, records: str, what: str, fix: str) -> None:
    written = "\n".join(_line(record) for record in records.split("|") if record)
    found = look(without=(SPF,), with_=f"{written}\n{OTHERS}")
    wrong = [each for each in found if each.check == "spf" and each.result in ("warn", "fail")]
    assert any(what in each.what and fix in each.fix for each in wrong), wrong


def test_behind_a_slip_the_rest_of_a_record_is_looked_at_too(look: Look) -> None:
    line = _line("v=spf1 ipv4:198.51.100.1 include:open.example.net allow –all")
    wrong = [each for each in look(without=(SPF,), with_=f"{line}\n{OTHERS}") if each.check == "spf"]
    said = "\n".join(each.what for each in wrong)
    for slip in ("'ipv4:198.51.100.1' is no term", "'allow' is no term", "'–all' is no term", "lets everybody send"):
        assert slip in said
    assert '"v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 ip4:198.51.100.1 -all"' in wrong[-1].fix + wrong[-2].fix


def test_too_many_lookups_are_answered_with_a_record_that_has_fewer(look: Look) -> None:
    inner = "\n".join(f'n{n}.example.net. IN TXT "v=spf1 ip4:198.51.100.{n} -all"' for n in range(11))
    nested = " ".join(f"include:n{n}.example.net" for n in range(9))
    zone = f"{_line('v=spf1 include:deep.example.net include:n9.example.net include:n10.example.net ~all')}\n{inner}\n"
    wrong = one(look(without=(SPF,), with_=f'{zone}deep.example.net. IN TXT "v=spf1 {nested} -all"'), "spf", "fail")
    assert "12 look-ups" in wrong.what
    networks = " ".join(f"ip4:198.51.100.{n}" for n in range(9))
    assert f'"v=spf1 {networks} include:n9.example.net include:n10.example.net ~all"' in wrong.fix


def test_strings_are_joined_without_a_blank_as_receivers_do(look: Look) -> None:
    for strings in ('"v=spf1 include:s0.example.net" "-all"', '"v=spf1" "include:s0.example.net -all"'):
        wrong = one(look(without=(SPF,), with_=f"{SPF} {strings}\n{OTHERS}"), "spf", "fail")
        assert "joined without a blank" in wrong.what
        assert '"v=spf1 include:s0.example.net -all"' in wrong.fix


def test_spf_that_leads_into_silence_is_named(look: Look) -> None:
    found = look(
        without=(SPF,), with_=_line("v=spf1 include:slow.example.net -all"), bad={"slow.example.net": "silent"}
    )
    assert "slow.example.net: nobody answers" in one(found, "spf", "fail").what


def test_a_record_whose_macros_lead_on_and_on_is_given_up_after_ten_lookups(look: Look) -> None:
    """As receivers do; eight includes a level, eight levels deep, are millions of evaluations."""

    def includes(level: int) -> str:
        return "v=spf1 " + " ".join([f"include:l{level}.%{{v}}.example.net"] * 8) + " -all"

    levels = "\n".join(f"l{n}.in-addr.example.net. IN TXT {cut(includes(n + 1))}" for n in range(8))
    zone = f'{_line(includes(0))}\n{levels}\nl8.in-addr.example.net. IN TXT "v=spf1 -all"'
    found = look(without=(SPF,), with_=zone)
    assert any("192.0.2.25 (error)" in each.what for each in found if each.check == "spf")


def test_macros_are_filled_in_as_receivers_fill_them(look: Look) -> None:
    found = look(
        without=(SPF,),
        with_=_line("v=spf1 exists:%{ir}.%{v}.ok.example.net include:%{d2}.inc.example.net -all")
        + '\n25.2.0.192.in-addr.ok.example.net. IN A 127.0.0.2\nexample.org.inc.example.net. IN TXT "v=spf1 ip6:2001:db8::25 -all"',
    )
    assert not [each for each in found if each.check == "spf" and each.result in ("warn", "fail")]


def test_a_relay_whose_house_alone_is_named_may_send_from_elsewhere(look: Look) -> None:
    zone = (
        _line("v=spf1 include:_spf.example.net -all") + '\n_spf.example.net. IN TXT "v=spf1 ip4:198.51.100.0/24 -all"'
    )
    said = one(look(without=(SPF,), with_=zone), "spf", "warn")
    assert "192.0.2.25 (fail)" in said.what
    assert "--probe" in said.fix


def test_a_known_relay_is_asked_for_by_its_include(look: Look) -> None:
    known = (("relay.example.net", "smtp.mailgun.org"),)
    lacking = one(look(config=known), "spf", "fail")
    assert "Mailgun" in lacking.what
    assert 'ip6:2001:db8::25 include:mailgun.org -all"' in lacking.fix
    line = _line("v=spf1 include:mailgun.org -all") + '\nmailgun.org. IN TXT "v=spf1 ip4:192.0.2.77 -all"'
    good = look(without=(SPF,), with_=line, config=known)
    assert not [each for each in good if each.check == "spf" and each.result in ("warn", "fail")]
