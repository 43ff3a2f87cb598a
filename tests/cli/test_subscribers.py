"""The list from the command line: people come, change, leave, are taken over from elsewhere."""

import csv
import json
import re
import time
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, Call, people
from tests.cli.exports import EXPORTS


def test_somebody_is_added_changed_and_removed(listed: Path, call: Call) -> None:
    assert (
        call("subscribers", "add", "Zoe@Example.org", "--name", "Zoë", "--tag", "vip", "--column", "city=Graz")[0] == 0
    )
    zoe = people(call)["Zoe@example.org"]
    assert zoe == {
        "email": "Zoe@example.org", "name": "Zoë", "state": "active", "columns": {"city": "Graz"}, "tags": ["vip"],
        "joined": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    assert call("subscribers", "add", "zoe@example.org", "--tag", "press")[0] == 0
    assert people(call)["Zoe@example.org"]["tags"] == ["vip", "press"]
    assert "nothing to change" in call("subscribers", "add", "zoe@example.org", "--tag", "vip")[1]
    assert call("subscribers", "remove", "ZOE@example.org")[0] == 0
    assert "Zoe@example.org" not in people(call)
    for absent in (("remove", "zoe@example.org"), ("export", "--person", "zoe.q@example.org")):
        code, _, err = call("subscribers", *absent)
        assert (code, absent[-1] in err, err.count("\n")) == (2, True, 1), err
    assert call("subscribers", "remove", "zoe@example.org", "ada@example.org")[0] == 1


def test_a_segment_says_how_many_it_has(listed: Path, call: Call) -> None:
    code, out, err = call("subscribers", "list", "--where", "subscriber.city == 'Lyon'")
    assert (code, "1 of 3 subscribers match" in err) == (0, True)
    assert "ada@example.org" in out
    assert "grace" not in out


def test_a_tag_is_matched_whole(listed: Path, call: Call) -> None:
    call("subscribers", "add", "ada@example.org", "--tag", "vip")
    assert list(people(call, "--where", "'vip' in subscriber.tags")) == ["ada@example.org"]
    assert not people(call, "--where", "'ip' in subscriber.tags")


def test_who_is_suppressed_is_shown_so_and_not_added_again(listed: Path, call: Call) -> None:
    assert call("suppress", "add", "ada@example.org", "--reason", "complaint")[0] == 0
    assert people(call)["ada@example.org"]["state"] == "suppressed"
    code, _, err = call("subscribers", "add", "ADA@example.org")
    assert (code, "suppress remove" in err) == (2, True)
    shown = json.loads(call("suppress", "list", "--json")[1])
    assert [(row["email"], row["reason"], row["source"], row["issue"]) for row in shown] == [
        ("ada@example.org", "complaint", "cli", None)
    ]
    assert call("suppress", "remove", "ada@example.org")[0] == 0
    assert people(call)["ada@example.org"]["state"] == "active"


def test_a_pause_shows_until_its_day(listed: Path, call: Call) -> None:
    call("subscribers", "add", "ada@example.org", "--column", "paused_until=2999-01-01")
    call("subscribers", "add", "grace@example.net", "--column", "paused_until=2001-01-01")
    states = {email: row["state"] for email, row in people(call).items()}
    assert states == {"ada@example.org": "paused", "grace@example.net": "active", "linus@example.com": "active"}


def test_an_export_is_safe_for_spreadsheets_and_read_back_without_loss(listed: Path, call: Call) -> None:
    odd = ["=1+1", "+33 1", "-x", "@cmd", "'=quoted", "''plain", 'say "x", y', "  @ x".strip(), "a;b|c"]
    for number, text in enumerate(odd):
        call("subscribers", "add", f"p{number}@example.org", "--name", text, "--column", f"note={text}", "--tag", "a;b")
    before = people(call)
    assert call("subscribers", "export", "-o", "out.csv")[0] == 0
    cells = [cell for row in csv.reader((listed / "out.csv").read_text().splitlines()) for cell in row]
    assert not [cell for cell in cells if cell.lstrip()[:1] in set("=+-@")]
    (listed / "newsletter.toml").write_text(CONFIG + '\n[subscribers]\nsource = "fresh.csv"\n')
    code, _, err = call("subscribers", "import", "out.csv", "--yes")
    assert code == 0, err
    after = people(call)
    assert after == before


def test_a_second_import_of_the_same_file_does_nothing(listed: Path, call: Call) -> None:
    (listed / "more.csv").write_text("E-Mail;Name;Club\nada@example.org;Ada M.;chess\nzoe@example.org;Zoe;go\n")
    first = json.loads(call("subscribers", "import", "more.csv", "--yes", "--json")[1])
    assert first == {
        "read": 2, "added": 1, "updated": 1, "unchanged": 0, "suppressed": 0, "unconfirmed": 0, "rejected": [],
    }  # fmt: skip
    ada = people(call)["ada@example.org"]
    assert (ada["name"], ada["columns"]) == ("Ada M.", {"city": "Lyon", "club": "chess"})
    second = json.loads(call("subscribers", "import", "more.csv", "--yes", "--json")[1])
    assert (second["added"], second["updated"], second["unchanged"]) == (0, 0, 2)


@pytest.mark.parametrize(
    ("house", "asks"), [*((house, ()) for house in EXPORTS), (next(iter(EXPORTS)), ("--confirm",))]
)
def test_a_second_import_of_an_export_says_that_there_is_nothing_to_do(
    house: str, asks: tuple[str, ...], folder: Path, call: Call
) -> None:
    (folder / "newsletter.toml").write_text(CONFIG + 'url = "https://news.example.org"\n')
    for name, text in EXPORTS[house].files.items():
        (folder / name).write_text(text)
        again = ("subscribers", "import", name, "--from", house, "--yes", "--partial", *asks)
        said = [call(*again)[1].splitlines()[-1] for _ in range(2)]
        assert said == ["done" if "nonsubscribed" not in name else "nothing to do", "nothing to do"]


def test_whatever_stands_in_a_file_each_row_is_taken_over_or_refused_with_its_line(listed: Path, call: Call) -> None:
    filler = "".join(f"f{number}@example.org,F {number},,\n" for number in range(1200))  # some blocks of rows
    (listed / "more.csv").write_text(
        "email,name,note,tags\n"
        '"Zoe@Example.ORG"," Zoë  Q ","one\ntwo ""x"" \\ \t3","b , a,b"\n'
        "\n"
        + filler
        + "Yan <yan@example.net>,,'=1+1,\n"
        + "short\n"
        + "ctl@example.org,x\u202ey,,\n"
        + "f7@EXAMPLE.org,,,\n"
        + "wide@example.org,W,,,,\n"
        + "jörg@example.org,%s,%d,\n"
    )
    said = json.loads(call("subscribers", "import", "more.csv", "--yes", "--partial", "--json")[1])
    assert said["added"] == 1200 + 4
    assert [(row["line"], row["email"]) for row in said["rejected"]] == [
        (1206, "short"), (1207, "ctl@example.org"), (1208, "f7@example.org"),
    ]  # fmt: skip
    found = people(call)
    assert (found["Zoe@example.org"]["name"], found["Zoe@example.org"]["tags"]) == ("Zoë Q", ["b", "a"])
    assert found["Zoe@example.org"]["columns"]["note"] == 'one\ntwo "x" \\ \t3'
    assert (found["yan@example.net"]["name"], found["yan@example.net"]["columns"]["note"]) == ("Yan", "=1+1")
    assert (found["jörg@example.org"]["name"], found["jörg@example.org"]["columns"]["note"]) == ("%s", "%d")
    again = json.loads(call("subscribers", "import", "more.csv", "--yes", "--partial", "--json")[1])
    assert (again["added"], again["updated"], again["unchanged"]) == (0, 0, 1204)


def test_who_left_by_a_column_of_the_list_is_put_there_no_second_time(folder: Path, call: Call) -> None:
    (folder / "subscribers.csv").write_text(
        "email,status,tags\nada@example.org,active,\ngone@example.org,unsubscribed,\n"
        "ADA@example.org,active,second\nb@example.org,active,x\n"
    )
    (folder / "more.csv").write_text("email,tags\nb@example.org,y\nGone@example.org,\nada@example.org,new\n")
    said = json.loads(call("subscribers", "import", "more.csv", "--yes", "--json")[1])
    assert (said["added"], said["updated"], said["unchanged"]) == (0, 2, 1)
    assert (folder / "subscribers.csv").read_text().splitlines()[1:] == [
        "ada@example.org,active,new", "gone@example.org,unsubscribed,", "ADA@example.org,active,second",
        'b@example.org,active,"x,y"',
    ]  # fmt: skip


def test_a_second_import_that_suppresses_asks_nothing(listed: Path, call: Call) -> None:
    (listed / "gone.csv").write_text("email,status\nada@example.org,left\nzoe@example.org,bounced\n")
    assert call("subscribers", "import", "gone.csv", "--yes")[1].endswith("done\n")
    assert call("subscribers", "import", "gone.csv")[1].endswith("nothing to do\n")
    (listed / "gone.csv").write_text("email,status\nada@example.org,bounced\nzoe@example.org,left\n")
    assert call("subscribers", "import", "gone.csv", "--yes")[1].endswith("done\n")  # a wish outlives a bounce
    assert call("subscribers", "import", "gone.csv")[1].endswith("nothing to do\n")
    reasons = {row["email"]: row["reason"] for row in json.loads(call("suppress", "list", "--json")[1])}
    assert reasons == {"ada@example.org": "unsubscribe", "zoe@example.org": "unsubscribe"}


def test_who_is_suppressed_here_is_not_asked_by_an_import(
    listed: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_UNSUBSCRIBE__URL", "https://news.example.org")
    call("suppress", "add", "zoe@example.org")
    (listed / "kit.csv").write_text(
        "id,first_name,email_address,state\n1,Zoe,zoe@example.org,inactive\n2,Yan,yan@example.org,inactive\n"
    )
    arguments = ("subscribers", "import", "kit.csv", "--from", "kit", "--yes", "--confirm", "--json")
    done = json.loads(call(*arguments)[1])
    assert (done["unconfirmed"], done["suppressed"]) == (1, 1)
    assert "zoe@example.org" not in [email for email, row in people(call).items() if row["state"] == "unconfirmed"]


@pytest.mark.parametrize(
    ("header", "row", "name", "shown", "columns"),
    [
        ("Vorname", "Zoe", "Zoe", "Vorname  name", "city vorname"),
        ("First Name", "Zoe", "Zoe", "First Name  name", "city first_name"),
        ("Prénom", "Zoe", "Zoe", "Prénom  name", "city prénom"),
        ("Full name", "Zoe Q", "Zoe Q", "Full name  name", "city"),
        ("Nachname,Vorname", "Q,Zoe", "Zoe Q", "Vorname + Nachname  name", "city nachname vorname"),
        ("Prénom,Nom", "Zoe,Q", "Zoe Q", "Prénom + Nom  name", "city prénom nom"),
        ("Nombre,Apellidos", "Zoe,Q", "Zoe Q", "Nombre + Apellidos  name", "city nombre apellidos"),
        ("Nome,Cognome", "Zoe,Q", "Zoe Q", "Nome + Cognome  name", "city nome cognome"),
        ("Nome,Apelido", "Zoe,Q", "Zoe Q", "Nome + Apelido  name", "city nome apelido"),
        ("Voornaam,Achternaam", "Zoe,Q", "Zoe Q", "Voornaam + Achternaam  name", "city voornaam achternaam"),
        (
            "الاسم الأول,اسم العائلة",
            "زوي,ق",
            "زوي ق",
            "الاسم الأول + اسم العائلة  name",
            "city الاسم_الأول اسم_العائلة",
        ),
        ("שם פרטי,שם משפחה", "זואי,ק", "זואי ק", "שם פרטי + שם משפחה  name", "city שם_פרטי שם_משפחה"),
        ("Name,Vorname", "Zoe Q,Zoe", "Zoe Q", "Name  name", "city vorname"),
        ("Nom", "Q", "", "Nom  nom", "city nom"),
    ],
)
def test_a_name_is_known_by_the_words_of_the_languages_spoken_here(
    header: str, row: str, name: str, shown: str, columns: str, folder: Path, call: Call
) -> None:
    (folder / "more.csv").write_text(f"email,{header}\nzoe@example.org,{row}\n")
    code, out, err = call("subscribers", "import", "more.csv", "--yes")
    assert code == 0, err
    assert shown in [re.sub(" {2,}", "  ", line.strip()) for line in out.splitlines()]
    person = people(call)["zoe@example.org"]
    assert (person["name"], sorted(person["columns"])) == (name, sorted(columns.split()))


def test_an_import_is_all_or_nothing_unless_partial(listed: Path, call: Call) -> None:
    (listed / "more.csv").write_text("email\nzoe@example.org\nbroken\nZoe@example.org\n")
    code, _, err = call("subscribers", "import", "more.csv", "--yes")
    assert code == 2
    assert "more.csv:3: no '@' in 'broken'" in err
    assert "more.csv:4:" in err
    assert "zoe@example.org" not in people(call)
    said = json.loads(call("subscribers", "import", "more.csv", "--yes", "--partial", "--json")[1])
    assert (said["added"], [row["line"] for row in said["rejected"]]) == (1, [3, 4])
    assert "zoe@example.org" in people(call)


def test_an_import_asks_and_without_somebody_to_ask_stops(listed: Path, call: Call) -> None:
    (listed / "more.csv").write_text("email\nzoe@example.org\n")
    code, _, err = call("subscribers", "import", "more.csv")
    assert (code, "--yes" in err) == (2, True)
    assert call("subscribers", "import", "more.csv", "--dry-run")[0] == 0
    assert "zoe@example.org" not in people(call)


def test_who_left_elsewhere_comes_off_the_list_here(listed: Path, call: Call) -> None:
    (listed / "gone.csv").write_text("email,status,created_at\nada@example.org,cancelled,2023-01-01\n")
    assert call("subscribers", "import", "gone.csv", "--from", "kit", "--yes")[0] == 0
    assert "ada@example.org" not in people(call)
    assert [row["reason"] for row in json.loads(call("suppress", "list", "--json")[1])] == ["unsubscribe"]


@pytest.mark.parametrize("house", EXPORTS)
def test_a_houses_export_is_read_as_it_is(house: str, listed: Path, call: Call) -> None:
    export = EXPORTS[house]
    for name, text in export.files.items():
        (listed / name).write_text(text)
        code, _, err = call("subscribers", "import", name, "--from", house, "--yes", "--partial", "--json")
        assert code == 0, err
    found = people(call)
    for email, (name, tags, joined) in export.subscribers.items():
        row = found[email]
        assert (row["state"], row["name"], row["tags"], row["joined"]) == ("active", name, tags, joined), email
    gone = {row["email"]: (row["reason"], row["source"]) for row in json.loads(call("suppress", "list", "--json")[1])}
    assert gone == {email: (reason, house) for email, reason in export.gone.items()}
    assert {email for email, row in found.items() if row["state"] == "unconfirmed"} == export.unconfirmed
    assert not {*export.gone, *export.strangers} & {email for email, row in found.items() if row["state"] == "active"}


def test_a_houses_export_without_its_house_or_under_another_is_refused_and_the_house_named(
    listed: Path, call: Call
) -> None:
    name, text = next(iter(EXPORTS["mailchimp"].files.items()))
    (listed / name).write_text(text)
    for given, says in (((), "is an export of"), (("--from", "ghost"), "has the columns of")):
        code, _, err = call("subscribers", "import", name, *given, "--yes")
        assert (code, err.count("\n")) == (2, 1), err
        assert f"{name}: {says} mailchimp" in err
        assert "give --from mailchimp" in err
    (listed / "cleaned_email_audience_export_7.csv").write_text("Email Address\ndead@example.org\n")
    assert "--from mailchimp" in call("subscribers", "import", "cleaned_email_audience_export_7.csv", "--yes")[2]
    (listed / "ours.csv").write_text("email,joined,optin_ip,confirm_ip,plan,email_disabled\nada@example.org,,,,,\n")
    for options in (("cleaned_email_audience_export_7.csv", "--from", "other"), ("ours.csv",)):
        code, out, err = call("subscribers", "import", *options, "--dry-run")
        assert (code, "To add       1" in out) == (0, "ours.csv" not in options), err


@pytest.mark.parametrize(
    ("titles", "cells", "reason"),
    [
        ("Left", "yes", "unsubscribe"),
        ("status", "bounced", "bounce"),
        ("Unsubscribed at", "2024-05-04", "unsubscribe"),
        ("Abmeldung", "2024-05-04", "unsubscribe"),
        ("newsletter", "no", "unsubscribe"),
        ("state", "complained", "complaint"),
    ],
)
def test_who_left_by_a_column_of_any_file_is_suppressed(
    titles: str, cells: str, reason: str, listed: Path, call: Call
) -> None:
    (listed / "people.csv").write_text(f"email,{titles}\nzoe@example.org,\ngone@example.org,{cells}\n")
    said = json.loads(call("subscribers", "import", "people.csv", "--yes", "--json")[1])
    assert (said["added"], said["suppressed"]) == (1, 1)
    (row,) = json.loads(call("suppress", "list", "--json")[1])
    assert (row["email"], row["reason"]) == ("gone@example.org", reason)
    assert row["created"].startswith(cells if cells[:4].isdigit() else time.strftime("%Y", time.gmtime()))
    assert "gone@example.org" not in people(call)


def test_suppressions_are_imported_whole_or_not_at_all(folder: Path, call: Call) -> None:
    (folder / "gone.csv").write_text("email,reason\nada@example.org,bounce\nbroken,\n")
    assert call("suppress", "import", "gone.csv")[0] == 2
    assert json.loads(call("suppress", "list", "--json")[1]) == []
    (folder / "gone.csv").write_text("email,reason\nada@example.org,bounce\nzoe@example.org,\n")
    assert call("suppress", "import", "gone.csv", "--reason", "complaint")[0] == 0
    shown = {row["email"]: row["reason"] for row in json.loads(call("suppress", "list", "--json")[1])}
    assert shown == {"ada@example.org": "bounce", "zoe@example.org": "complaint"}


def test_a_column_that_a_house_is_not_known_for_may_still_say_who_left(listed: Path, call: Call) -> None:
    (listed / "kit.csv").write_text("email,first_name,opted_out,bounced\nzoe@example.org,Z,yes,\nyan@example.org,Y,,\n")
    said = json.loads(call("subscribers", "import", "kit.csv", "--from", "kit", "--yes", "--json")[1])
    assert (said["added"], said["suppressed"]) == (1, 1)
    assert "zoe@example.org" not in people(call)


def test_who_left_by_a_column_of_the_list_is_shown_as_suppressed(folder: Path, call: Call) -> None:
    (folder / "subscribers.csv").write_text("email,status\nada@example.org,active\ngone@example.org,unsubscribed\n")
    listed = json.loads(call("subscribers", "list", "--json")[1])
    assert {person["email"]: person["state"] for person in listed} == {
        "ada@example.org": "active",
        "gone@example.org": "suppressed",
    }
