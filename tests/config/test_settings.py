"""newsletter.toml and the environment: what is wrong is said with its place, and the nearest known name."""

import os
from pathlib import Path

import pytest

from newsletter.config.settings import Config, load_config
from newsletter.errors import NewsletterError


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("NEWSLETTER_"):
            monkeypatch.delenv(name)


def load(folder: Path, text: str) -> Config:
    (folder / "newsletter.toml").write_text(text, encoding="utf-8")
    return load_config(folder / "newsletter.toml")


def refused(folder: Path, text: str) -> str:
    with pytest.raises(NewsletterError) as caught:
        load(folder, text)
    return str(caught.value).removeprefix(f"{folder}/")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[smtp]\nconections = 3", "newsletter.toml:2: unknown key [smtp] conections; did you mean 'connections'?"),
        ("smtp.conections = 3", "newsletter.toml:1: unknown key [smtp] conections; did you mean 'connections'?"),
        ("[smpt]\nurl = 'x'", "newsletter.toml:1: unknown table smpt; did you mean 'smtp'?"),
        ("title = 'x'", "newsletter.toml:1: unknown table title; it belongs below [newsletter]"),
        ("[smtp]\ntitle = 'x'", "newsletter.toml:2: unknown key [smtp] title; it belongs below [newsletter]"),
        ("[mail]", "newsletter.toml:1: unknown table mail; known: newsletter, posts, digest, smtp"),
        ("smtp = 'x'", "newsletter.toml:1: smtp: 'x' is no table; write [smtp] on a line"),
        ("[newsletter]\n\ntitle = 3", "newsletter.toml:3: [newsletter] title: 3 is no text; put it into quotes"),
        ("[newsletter.title]\nx = 1", "newsletter.toml:1: [newsletter] title: {'x': 1} is no text"),
        ("[smtp]\nconnections = 'many'", "newsletter.toml:2: [smtp] connections: 'many' is no whole number"),
        ("[smtp]\nconnections = true", "newsletter.toml:2: [smtp] connections: true is no whole number"),
        ("[smtp]\nconnections = 2.5", "newsletter.toml:2: [smtp] connections: 2.5 is no whole number"),
        ("[smtp]\nconnections = 0", "newsletter.toml:2: [smtp] connections: 0 is too small; 1 is the least"),
        ("[smtp]\nconnections = 1001", "newsletter.toml:2: [smtp] connections: 1001 is too large; 1000 is the most"),
        ("[smtp]\nurl = [1]", "newsletter.toml:2: [smtp] url: [1] is neither a text nor a list of texts"),
        (
            "[checks]\nignore = 'spam'",
            "newsletter.toml:2: [checks] ignore: 'spam' is no list; write it like [\"spam\"]",
        ),
        ("[checks]\nclients = ['gmial']", "newsletter.toml:2: [checks] clients: 'gmial' is not known; did you mean"),
        (
            "[newsletter]\ncolor = 'red'",
            "newsletter.toml:2: [newsletter] color: 'red' is no colour; write it like #0b5cad",
        ),
        ("[newsletter]\nlanguage = 'English!'", "newsletter.toml:2: [newsletter] language: 'English!' is no language"),
        ("[unsubscribe]\nmailto = 'nobody'", "newsletter.toml:2: [unsubscribe] mailto: 'nobody' is no address"),
        ("[unsubscribe]\nmailto = 'mailto:a@example.org'", "newsletter.toml:2: [unsubscribe] mailto: 'mailto:a@"),
        ("[smtp]\nmail_from = 'a@example.org\\r\\nb'", "newsletter.toml:2: "),
        ("[smtp]\npassword = 'x'", "newsletter.toml:2: smtp.password is a secret"),
        ("secret = 'x'", "newsletter.toml:1: secret is a secret"),
        ("[newsletter]\ntitle = “x”", "newsletter.toml:2: invalid value; a text stands in straight quotes"),
        ("[newsletter]\ntitle = 'x", "newsletter.toml:2: expected"),
        ("[newsletter", "newsletter.toml:1: expected ']'"),
        ("x = " + "[" * 3000, "newsletter.toml: is nested too deep"),
        ("[smtp]\n" + "a." * 20_000 + "b = 1", "newsletter.toml:2: a key of more than 32 parts"),
        ("[smtp]\nconnections = " + "9" * 5000, "newsletter.toml:2: a number of more than 4,300 digits"),
    ],
)
def test_a_fault_is_told_with_its_line_and_the_way_to_write_it(tmp_path: Path, text: str, said: str) -> None:
    message = refused(tmp_path, text)
    assert message.startswith(said)
    assert "\n" not in message


@pytest.mark.parametrize(
    "url",
    [
        "example.org", "ftp://example.org", "javascript:alert(1)", "https://", "http://[::1", "https://exa mple.org",
        "https://example.org:99999", "//example.org", "https://user@example.org", "https://example.org/\u202e",
    ],
)  # fmt: skip
@pytest.mark.parametrize("table", ["newsletter", "unsubscribe"])
def test_what_is_no_web_address_is_refused(tmp_path: Path, table: str, url: str) -> None:
    message = refused(tmp_path, f'[{table}]\nurl = "{url}"')
    assert message.startswith(f"newsletter.toml:2: [{table}] url: ")
    assert message.endswith("is no web address; write it like https://example.org")


@pytest.mark.parametrize("url", ["", "https://example.org", "https://münchen.example/blog/", "http://localhost:4000"])
def test_a_web_address_stays_as_it_is(tmp_path: Path, url: str) -> None:
    assert load(tmp_path, f'[newsletter]\nurl = "{url}"').newsletter.url == url


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NEWSLETTER_SMTP__CONNECTIONS", "many", "[smtp] connections: 'many' is no whole number"),
        ("NEWSLETTER_SMTP__CONECTIONS", "3", "unknown key [smtp] conections; did you mean 'connections'?"),
        ("NEWSLETTER_SMTP", "{", "smtp: '{' is no table"),
        ("NEWSLETTER_SMPT__PASSWORD", "x", "sets no key of newsletter.toml; did you mean NEWSLETTER_SMTP__…?"),
        ("NEWSLETTER_SECRT", "x", "sets no key of newsletter.toml; did you mean NEWSLETTER_SECRET?"),
        ("NEWSLETTER_TITLE", "x", "sets no key of newsletter.toml; did you mean NEWSLETTER_NEWSLETTER__TITLE?"),
    ],
)
def test_a_wrong_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    message = refused(tmp_path, "[smtp]\nconnections = 3\n")
    assert message.startswith(f"environment {name}: {said}")


def test_variables_win_over_the_file_and_a_list_is_written_with_commas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_SMTP__URL", "smtp://relay.example.org")
    monkeypatch.setenv("NEWSLETTER_CHECKS__CLIENTS", "gmail, yahoo")
    monkeypatch.setenv("NEWSLETTER_PAPER", "somebody else's")
    config = load(tmp_path, "[smtp]\nurl = 'smtp://localhost:1'\nconnections = 3\n")
    assert config.smtp.urls == ("smtp://relay.example.org",)
    assert config.smtp.connections == 3
    assert config.checks.clients == ["gmail", "yahoo"]
    monkeypatch.setenv("NEWSLETTER_SMTP__URL", '["smtp://one.example.org", "smtp://two.example.org"]')
    assert len(load(tmp_path, "").smtp.urls) == 2


def test_a_table_may_be_one_variable_and_its_keys_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_SMTP", '{"connections": 4, "rate": "1/s"}')
    monkeypatch.setenv("newsletter_smtp__rate", "2/s")
    monkeypatch.setenv("NEWSLETTER_SMTP__HEADERS__X_STREAM", "broadcast")
    monkeypatch.setenv("NEWSLETTER_SECRET", "123")
    config = load(tmp_path, "[smtp]\nconnections = 3\nverp = false\nheaders = {X-Own = 'kept'}\n")
    assert (config.smtp.connections, config.smtp.rate, config.smtp.verp) == (4, "2/s", False)
    assert config.smtp.headers == {"X-Own": "kept", "x_stream": "broadcast"}
    assert config.secret.get_secret_value() == "123"


def test_what_a_room_finds_wrong_with_a_value_gets_the_place_of_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load(tmp_path, "[smtp]\n\nrate = 'fast'\n")
    with pytest.raises(NewsletterError) as caught, config.naming("smtp", "rate"):
        raise NewsletterError("'fast' is no rate; use 14/s")
    assert str(caught.value) == f"{tmp_path}/newsletter.toml:3: [smtp] rate: 'fast' is no rate; use 14/s"
    monkeypatch.setenv("NEWSLETTER_SMTP__RATE", "fast")
    assert config.where("smtp", "rate") == {"path": "environment NEWSLETTER_SMTP__RATE", "line": None}


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [(b"hunter2\n", 0o644, "other users can read this password file"), (b"\xe9\n", 0o600, "it is not UTF-8")],
)
def test_a_password_file_that_is_no_secret_or_no_text_is_refused(
    tmp_path: Path, content: bytes, mode: int, said: str
) -> None:
    (tmp_path / "pw").write_bytes(content)
    (tmp_path / "pw").chmod(mode)
    with pytest.raises(NewsletterError, match=said) as caught:
        load(tmp_path, "[smtp]\npassword_file = 'pw'\n").smtp_password()
    assert "hunter2" not in str(caught.value)
