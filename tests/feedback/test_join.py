"""Sign-up by mail, without a server: a mail, a question, an answer, and a line in subscribers.csv."""

import csv
import json
import sqlite3
from pathlib import Path

from tests.cli.conftest import Run
from tests.cli.test_send import Relay, parse

from .samples import plain

JOIN = "join@example.org"


def configure(folder: Path, more: str = "") -> None:
    config = folder / "newsletter.toml"
    config.write_text(f"{config.read_text()}\n[feedback]\nsubscribe = '{JOIN}'\n{more}")


def feedback(folder: Path, run: Run, relay: Relay, mail: str, *options: str) -> dict[str, str]:
    (folder / "mail.eml").write_text(mail)
    done = run("feedback", "mail.eml", "--json", *options, NEWSLETTER_SMTP__URL=relay.url)
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads(done.stdout)
    return dict(entry)


def listed(folder: Path) -> list[dict[str, str]]:
    with (folder / "subscribers.csv").open() as file:
        return list(csv.DictReader(file))


def test_who_writes_is_asked_answers_and_is_on_the_list(folder: Path, run: Run, relay: Relay) -> None:
    configure(folder)
    wish = plain("Zoë Price <zoe@example.com>", "I would like to read you", "Hello!", to=JOIN)
    assert feedback(folder, run, relay, wish, "--dry-run")["action"] == "asked"
    assert relay.messages == []
    entry = feedback(folder, run, relay, wish)
    assert (entry["kind"], entry["email"], entry["action"]) == ("subscribe", "zoe@example.com", "asked")
    assert feedback(folder, run, relay, wish)["action"] == "none"
    ((to, data),) = relay.messages
    question = parse(data)
    assert to == "zoe@example.com"
    assert "Hello!" not in str(question)
    assert "Zoë" not in str(question["To"])
    address = str(question["Reply-To"])
    assert address.startswith("join+")

    away = plain("zoe@example.com", "Out of the office", "Back soon", to=address, more="Auto-Submitted: auto-replied\n")
    assert feedback(folder, run, relay, away)["action"] == "none"
    forged = plain("zoe@example.com", "Re: Confirm", "yes", to=f"join+{'a' * 26}@example.org")
    assert feedback(folder, run, relay, forged)["action"] == "none"
    assert len(listed(folder)) == 3

    answer = plain("Zoë <z.other@example.net>", "Re: Confirm", "yes", to=address)
    assert feedback(folder, run, relay, answer)["action"] == "confirmed"
    assert {"email": "zoe@example.com", "name": "Zoë Price"}.items() <= listed(folder)[-1].items()
    assert [to for to, _ in relay.messages] == ["zoe@example.com"] * 2
    welcome = parse(relay.messages[1][1])
    assert str(welcome["Subject"]) == "Welcome to The Long View"
    assert "None" not in str(welcome.get_body(("plain",)))
    assert feedback(folder, run, relay, answer + "\n")["action"] == "none"
    assert len(listed(folder)) == 4


def test_an_answer_is_known_by_the_message_that_it_answers(folder: Path, run: Run, relay: Relay) -> None:
    """For a mailbox that takes no `+`: verp is off, and Reply-To is the address alone."""
    configure(folder)
    config = folder / "newsletter.toml"
    config.write_text(config.read_text().replace("[smtp]", "[smtp]\nverp = false"))
    feedback(folder, run, relay, plain("zoe@example.com", "", "", to=JOIN))
    question = parse(relay.messages[0][1])
    assert str(question["Reply-To"]) == JOIN
    answer = plain("zoe@example.com", "Re: x", "", to=JOIN, more=f"In-Reply-To: {question['Message-ID']}\n")
    assert feedback(folder, run, relay, answer)["action"] == "confirmed"


def test_a_relay_that_is_away_loses_no_question(folder: Path, run: Run, relay: Relay) -> None:
    configure(folder)
    (folder / "mail.eml").write_text(plain("zoe@example.com", "", "", to=JOIN))
    done = run("feedback", "mail.eml", NEWSLETTER_SMTP__URL="smtp://127.0.0.1:9")
    assert done.returncode == 0
    assert "1 wait for the next run" in done.stderr
    (folder / "newsletter.db").touch()
    again = plain("x@example.com", "Re: lunch", "On Friday?", to="ada@example.org")
    feedback(folder, run, relay, again)
    assert relay.messages == []  # it is tried again after half a minute


def test_who_is_on_the_list_complained_or_was_erased_is_not_asked_and_spam_is_left_alone(
    folder: Path, run: Run, relay: Relay
) -> None:
    configure(folder)
    run("suppress", "add", "zoe@example.com", "--reason", "complaint")
    run("subscribers", "remove", "gone@example.com", "--erase", "--yes")
    mails = [
        plain("ada@example.org", "Me too", "", to=JOIN),
        plain("zoe@example.com", "Me too", "", to=JOIN),
        plain("Gone <Gone@example.com>", "Me too", "", to=JOIN),
        plain("spam@example.com", "Me too", "", to=JOIN, more="X-Spam-Flag: YES\n"),
        plain("not an address", "Me too", "", to=JOIN),
    ]
    for number, mail in enumerate(mails):
        (folder / f"{number}.eml").write_text(mail)
    done = run("feedback", *(f"{number}.eml" for number in range(len(mails))), "--json", NEWSLETTER_SMTP__URL=relay.url)
    assert [entry["action"] for entry in json.loads(done.stdout)] == ["none"] * len(mails)
    assert relay.messages == []


def test_so_many_an_hour_are_asked_and_the_others_by_a_later_run(folder: Path, run: Run, relay: Relay) -> None:
    configure(folder)
    with (folder / "bomb.mbox").open("w") as box:
        for number in range(45):
            box.write(f"From x\n{plain(f'victim{number}@example.com', 'Me too', '', to=JOIN)}\n\n")
    counts = []
    for _ in range(2):
        done = run("feedback", "--mbox", "bomb.mbox", "--json", NEWSLETTER_SMTP__URL=relay.url)
        counts.append(sum(entry["action"] == "asked" for entry in json.loads(done.stdout)))
    assert (counts, len(relay.messages)) == ([40, 0], 40)
    assert "5 sign-ups by mail left for a later run" in done.stderr
    with sqlite3.connect(folder / "newsletter.db") as db:
        db.execute("UPDATE events SET created = created - 3601")
    done = run("feedback", "--mbox", "bomb.mbox", "--json", NEWSLETTER_SMTP__URL=relay.url)
    assert sum(entry["action"] == "asked" for entry in json.loads(done.stdout)) == 5


def test_the_author_s_own_address_is_refused(folder: Path, run: Run) -> None:
    config = folder / "newsletter.toml"
    config.write_text(f"{config.read_text()}\n[feedback]\nsubscribe = 'ada@example.org'\n")
    (folder / "mail.eml").write_text("Subject: x\n\n")
    done = run("feedback", "mail.eml")
    assert done.returncode == 2
    assert "[feedback] subscribe: people answer letters there" in done.stderr
