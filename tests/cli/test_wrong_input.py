"""Wrong input ends in one line that says where, what and the next step, with exit 2 and nothing sent."""

# ruff: noqa: E501 (a case a line)

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, POST, Call, Run


def one_line(stderr: str) -> str:
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert "Traceback" not in stderr
    return lines[0]


def test_a_folder_without_config_says_how_to_begin(run: Run) -> None:
    done = run("status")
    assert done.returncode == 2
    assert "newsletter init" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[smtp]\nconections = 3\n", "newsletter.toml:2: unknown key [smtp] conections; did you mean 'connections'?"),
        ("[smpt]\nurl = 'x'\n", "newsletter.toml:1: unknown table smpt; did you mean 'smtp'?"),
        ("[smtp]\nconnections = 'many'\n", "newsletter.toml:2: [smtp] connections"),
        ("[smtp]\npassword = 'x'\n", "NEWSLETTER_SMTP__PASSWORD"),
        ("[newsletter]\ntitle = x\n", "newsletter.toml:2: "),
        (
            "[newsletter]\ntimezone = 'Europe/Pariss'\n",
            "newsletter.toml:2: [newsletter] timezone: 'Europe/Pariss' is no",
        ),
        (
            "[posts]\npermalink = '/:titel/'\n",
            ":2: [posts] permalink: ':titel' in '/:titel/' is no placeholder; did you mean",
        ),
        (
            "[posts]\npermalink = 'prety'\n",
            "newsletter.toml:2: [posts] permalink: 'prety' is no permalink; did you mean 'pretty'",
        ),
        ("[posts]\ndir = 'post'\n", "newsletter.toml:2: [posts] dir: there is no folder 'post'; did you mean 'posts'?"),
        (
            "[newsletter]\nauthor = 'ada@example.org'\n[subscribers]\nwhere = \"subscriber.citty == 'Lyon'\"\n",
            "newsletter.toml:4: [subscribers] where \"subscriber.citty == 'Lyon'\": the list has no column 'citty'; did you mean 'city'",
        ),
        (
            "[newsletter]\nauthor = 'ada@example.org'\n[subscribers]\nwhere = \"subscriber.city = 'Lyon'\"\n",
            "newsletter.toml:4: [subscribers] where \"subscriber.city = 'Lyon'\" can't be read: `=` sets a value",
        ),
    ],
)
def test_a_wrong_config_is_named_with_its_line(folder: Path, run: Run, config: str, said: str) -> None:
    (folder / "newsletter.toml").write_text(config)
    done = run("render", "hello")
    assert done.returncode == 2
    assert said in one_line(done.stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sned", "hello"), "No such command 'sned'"),
        (("send",), "name a post, or give --new"),
        (("send", "hello", "--dry"), "--dry-run"),
        (("send", "hello", "--limit", "0"), "--limit"),
        (("send", "hello", "--smtp", "http://relay.example.org"), "is no relay; use smtp://user@host:587"),
        (("send", "hello", "--smtp", "smtp://ada:secret@relay.example.org"), "holds a password"),
        (("send", "hello", "--rate", "fast"), "fast"),
        (("send", "hello", "--at", "tomorrow"), "--at"),
        (("render", "nothing"), "no post 'nothing'"),
        (("render", "hello", "--for", "nobody@example.org"), "nobody@example.org is not on the list"),
        (("send", "hello"), "--yes"),
        (("status", "nothing"), "no issue 'nothing'"),
    ],
)
def test_a_wrong_command_line_is_one_line(folder: Path, run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    line = [line for line in done.stderr.strip().splitlines() if line.startswith("newsletter: ")]
    assert len(line) == 1, done.stderr
    assert said.lower() in line[0].lower()
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (CONFIG.replace('mailto = "unsubscribe@example.org"', ""), "no way to unsubscribe"),
        (CONFIG.replace("postal_address", "# "), "no postal address"),
        (
            CONFIG.replace("Ada Moreau <ada@", "Your Name <you@"),
            "[newsletter] author still has the sample address you@example.org",
        ),
        (
            CONFIG.replace("Ada Moreau <ada@", "Your Name <ada@"),
            "[newsletter] author still has the sample name 'Your Name'",
        ),
        (
            CONFIG.replace("unsubscribe@", "you@"),
            "[unsubscribe] mailto still has the sample address",
        ),
    ],
)
def test_a_live_send_needs_what_the_law_asks_and_a_dry_run_only_warns(
    folder: Path, run: Run, config: str, said: str
) -> None:
    (folder / "newsletter.toml").write_text(config)
    done = run("send", "hello", "--yes")
    assert done.returncode == 2
    assert said in one_line(done.stderr)
    rehearsed = run("send", "hello", "--dry-run")
    assert rehearsed.returncode == 0, rehearsed.stderr
    assert said in rehearsed.stderr


def test_all_that_a_newsletter_lacks_is_named_at_once_and_a_rehearsal_foretells_it(folder: Path, call: Call) -> None:
    (folder / "newsletter.toml").write_text(
        '[newsletter]\ntitle = "My newsletter"\nauthor = "Your Name <you@example.org>"\n'
    )
    (folder / "posts" / "2026-05-04-hello.md").write_text(POST.replace("link]", "{{ subscriber.name }}]"))
    lacks = (
        "no relay", "no way to unsubscribe", "no postal address", "sample address you@example.org",
        "sample name 'Your Name'", "title is still 'My newsletter'",
    )  # fmt: skip
    code, _, said = call("send", "hello", "--yes")
    assert (code, len(said.splitlines())) == (2, 1)
    assert all(lack in said for lack in lacks), said
    code, _, said = call("send", "hello", "--dry-run")
    assert code == 0
    told = said.splitlines()
    listed = told[told.index("warning: a live send would stop, for these reasons:") + 1 :]
    for lack in (*lacks, "the checks found"):
        assert any(lack in line for line in listed), lack


def test_a_sample_address_goes_nowhere_and_the_rest_is_foretold_with_to(folder: Path, call: Call) -> None:
    to = ("send", "hello", "--to", "ada@example.org", "--smtp", "smtp://127.0.0.1:1")
    (folder / "newsletter.toml").write_text(CONFIG.replace("Ada Moreau <ada@", "Ada Moreau <you@"))
    code, _, said = call(*to)
    assert (code, "sample address" in said) == (2, True)
    (folder / "newsletter.toml").write_text(CONFIG.replace("postal_address", "# "))
    code, _, said = call(*to)
    assert "a live send would stop, for these reasons:\n  newsletter.toml: there is no postal address" in said
    assert code == 75


def test_a_draft_is_refused_for_a_live_send(folder: Path, run: Run) -> None:
    (folder / "posts" / "2026-05-04-hello.md").write_text(POST.replace("---\ntitle:", "---\ndraft: true\ntitle:", 1))
    done = run("send", "hello", "--yes")
    assert done.returncode == 2
    assert "draft" in one_line(done.stderr)


def test_a_post_without_words_is_refused_for_a_live_send(folder: Path, run: Run) -> None:
    path = run("new", "Not written yet").stdout.strip()
    done = run("send", path, "--yes")
    assert done.returncode == 2
    assert f"{path}: has no words yet" in one_line(done.stderr)
    assert run("send", path, "--dry-run").returncode == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("name,city\nAda,Lyon\n", "no column `email`"),
        ("email,name,name\n", "two columns are named 'name'"),
        ("email,name\n", "no subscribers"),
        ('email,name\nada@example.org,"Ada\nbob@example.org,Bob\n', "subscribers.csv:2: a quote"),
    ],
)
def test_a_list_that_cannot_be_read_for_sure_is_refused_whole(folder: Path, run: Run, content: str, said: str) -> None:
    (folder / "subscribers.csv").write_text(content)
    done = run("send", "hello", "--yes")
    assert done.returncode == 2
    assert said in one_line(done.stderr)
    assert not (folder / "newsletter.db").exists() or run("status", "--json").stdout.strip() == "[]"


def test_a_row_that_cannot_be_mailed_is_named_with_its_line(folder: Path, run: Run) -> None:
    with (folder / "subscribers.csv").open("a") as file:
        file.write("ada.example.org,Ada,Lyon\nADA@example.org,Ada,Lyon\n")
    done = run("subscribers", "check")
    assert done.returncode == 1
    assert "subscribers.csv:5: no '@' in 'ada.example.org'; fix the row or delete it" in done.stderr
    assert "subscribers.csv:6: " in done.stderr
    assert "3 subscribers" in done.stdout


def test_a_relay_that_is_not_there_is_named(folder: Path, run: Run) -> None:
    done = run("send", "hello", "--yes", "--smtp", "smtp://127.0.0.1:1")
    assert done.returncode == 75
    assert "127.0.0.1:1: can't connect" in one_line(done.stderr)
    assert run("status", "--json").stdout.strip() == "[]"  # so the post may be edited before the next try


def test_what_its_site_does_not_publish_is_not_mailed_unless_that_is_meant(folder: Path, run: Run) -> None:
    (folder / "hugo.toml").write_text('baseURL = "https://example.org/"\n')
    (folder / "newsletter.toml").write_text(CONFIG + '\n[posts]\ndir = "content/posts"\n')
    (folder / "content" / "posts").mkdir(parents=True)
    post = folder / "content" / "posts" / "soon.md"
    post.write_text(POST.replace("title: Hello", "title: Soon\npublishDate: 2099-01-01"))
    refused = run("send", "soon", "--yes", "--smtp", "smtp://127.0.0.1:1")
    assert refused.returncode == 2
    assert "content/posts/soon.md:3: `publishDate: 2099-01-01` is yet to come" in one_line(refused.stderr)
    later = run(
        "send", "soon", "--yes", "--smtp", "smtp://127.0.0.1:1", "--at", "2099-01-02T09:00", "--where", "x", "--json"
    )
    assert "publishDate" not in later.stderr, "what counts is the moment at which it goes out"
    warned = run("send", "soon", "--to", "me@example.org", "--smtp", "smtp://127.0.0.1:1")
    assert "warning: a live send would stop: content/posts/soon.md:3: `publishDate: 2099-01-01`" in warned.stderr
    meant = run("send", "soon", "--yes", "--force", "--smtp", "smtp://127.0.0.1:1")
    assert "publishDate" not in meant.stderr
    assert "can't connect" in meant.stderr


def test_what_comes_after_its_send_before_is_not_sent(folder: Path, run: Run) -> None:
    post = folder / "posts" / "2026-05-04-hello.md"
    post.write_text(POST.replace("title: Hello", "title: Hello\nsend_before: 2099-01-02 18:00"))
    late = run("send", "hello", "--yes", "--smtp", "smtp://127.0.0.1:1", "--at", "2099-01-02 18:00")
    assert late.returncode == 2
    assert "posts/2026-05-04-hello.md: its send_before is Fri 2 January 2099, 18:00 (" in one_line(late.stderr)
    in_time = run("send", "hello", "--yes", "--smtp", "smtp://127.0.0.1:1")
    assert in_time.returncode == 75
    assert "Not after    Fri 2 January 2099, 18:00 (" in in_time.stdout
    assert "not everybody" not in in_time.stdout
    slow = run("send", "hello", "--smtp", "smtp://127.0.0.1:1", "--rate", "1/d", "--at", "2099-01-01 18:00")
    assert "; at this rate not everybody has it by then\n" in slow.stdout
    post.write_text(POST.replace("title: Hello", "title: Hello\nsend_before: 2020-01-02"))
    said = "posts/2026-05-04-hello.md: its send_before has passed: it was Thu 2 January 2020, 00:00 ("
    for command in (("hello",), ("--new", "--since", "2026-01-01")):
        done = run("send", *command, "--yes", "--smtp", "smtp://127.0.0.1:1")
        assert done.returncode == 2, done.stderr
        assert said in one_line(done.stderr)
    rehearsed = run("send", "hello", "--dry-run", "--json")
    assert f"a live send would stop: {said}" in rehearsed.stderr
    assert json.loads(rehearsed.stdout)["sent"] == 3
    post.write_text(POST.replace("title: Hello", "title: Hello\nsend_before: soon"))
    assert "hello.md:3: send_before: 'soon' is not a date" in run("send", "hello", "--yes").stderr


def test_local_time_needs_a_timezone_for_each_reader_and_no_offset(folder: Path, run: Run) -> None:
    none = run("send", "hello", "--yes", "--smtp", "smtp://127.0.0.1:1", "--at", "2099-01-02 18:00", "--local-time")
    assert (none.returncode, one_line(none.stderr)) == (
        2, "newsletter: subscribers.csv: --local-time needs a column `timezone`; the list has city",
    )  # fmt: skip
    offset = run("send", "hello", "--yes", "--at", "2099-01-02T18:00Z", "--local-time")
    assert "names an offset, and --local-time means each reader's" in one_line(offset.stderr)
    now = run("send", "hello", "--yes", "--at", "now", "--local-time")
    assert now.returncode == 2
    assert "--at now is the same moment for everybody; leave out --local-time" in one_line(now.stderr)
    (folder / "subscribers.csv").write_text("email,timezone\nada@example.org,Europe/Paris\n")
    passed = run("send", "hello", "--yes", "--smtp", "smtp://127.0.0.1:1", "--at", "2020-01-02 18:00", "--local-time")
    assert "has passed by every reader's clock; give a time to come" in one_line(passed.stderr)


def test_the_plan_says_what_a_warm_up_leaves_of_today_and_that_a_bound_relay_needs_another(
    folder: Path, call_here: Call
) -> None:
    url = "smtp://127.0.0.1:1"
    code, out, _ = call_here("send", "hello", "--smtp", url, "--rate", "ramp 2/d x1.5")
    assert code == 2
    assert "Relay        127.0.0.1:1, 10 connections, ramp 2/d x1.5\n" in out
    assert "Warm-up      127.0.0.1:1 takes 2 today, on its day 1 of sending\n" in out
    assert "             all of them within 2 days, if it goes on every day\n" in out
    code, out, _ = call_here("send", "hello", "--smtp", url, "--smtp", f"{url}?domains=example.net,example.com")
    assert "127.0.0.1:1, 10 connections, for example.com, example.net alone\n" in out
    code, _, err = call_here("send", "hello", "--smtp", f"{url}?domains=example.net")
    assert (code, err.split(",")[0]) == (2, "newsletter: every relay is bound to domains (example.net)")
