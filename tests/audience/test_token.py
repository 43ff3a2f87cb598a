"""Tokens prove that we made them; the secret is private, and one for all processes."""

import base64
import hmac
import os
import stat
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.token import TOKEN_MAX, digest, load_secret, make_token, read_token
from newsletter.config.settings import Config
from newsletter.errors import NewsletterError

SECRET = b"0123456789abcdef0123456789abcdef"
KINDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
URL_SAFE = set(string.ascii_letters + string.digits + "-_")


def config_in(folder: Path, **keys: object) -> Config:
    return Config.model_validate(keys).at(folder / "newsletter.toml")


@given(KINDS, WORDS, WORDS)
def test_a_token_reads_as_what_it_was_made_of_and_is_url_safe(kind: str, email: str, issue_id: str) -> None:
    token = make_token(SECRET, kind, email, issue_id)
    assert set(token) <= URL_SAFE
    assert read_token(SECRET, kind, token) == (email, issue_id)


@given(KINDS, WORDS, WORDS, st.data())
def test_a_token_with_any_one_character_changed_added_or_lost_is_refused(
    kind: str, email: str, issue_id: str, data: st.DataObject
) -> None:
    token = make_token(SECRET, kind, email, issue_id)
    at = data.draw(st.integers(0, len(token) - 1))
    new = data.draw(st.sampled_from(sorted(URL_SAFE | set("=+/ \n.\0é"))))
    for mutant in (token[:at] + new + token[at + 1 :], token[:at] + new + token[at:], token[:at] + token[at + 1 :]):
        if mutant != token:
            assert read_token(SECRET, kind, mutant) is None


def test_no_second_spelling_of_the_last_character_is_valid() -> None:
    for email in ("ada@example.org", "adam@example.org", "adama@example.org"):
        token = make_token(SECRET, "unsubscribe", email, "hello")
        valid = [c for c in URL_SAFE if read_token(SECRET, "unsubscribe", token[:-1] + c)]
        assert valid == [token[-1]]


@given(KINDS, KINDS, WORDS, WORDS)
def test_a_token_of_one_kind_is_no_token_of_another(kind: str, other: str, email: str, issue_id: str) -> None:
    token = make_token(SECRET, kind, email, issue_id)
    assert (read_token(SECRET, other, token) is None) == (kind != other)


@given(st.text(max_size=80))
def test_a_guess_is_refused(guess: str) -> None:
    assert read_token(SECRET, "unsubscribe", guess) is None


def test_a_token_of_another_secret_or_of_endless_length_is_refused() -> None:
    assert read_token(SECRET, "u", make_token(b"x" * 32, "u", "ada@example.org", "hello")) is None
    assert read_token(SECRET, "u", make_token(SECRET, "u", "ada@example.org", "h" * TOKEN_MAX)) is None


def test_a_nul_which_parts_address_from_issue_can_not_be_smuggled_in() -> None:
    with pytest.raises(ValueError, match="NUL"):
        make_token(SECRET, "u", "ada@example.org\0x", "hello")


@given(st.lists(WORDS, max_size=3), st.lists(WORDS, max_size=3))
def test_a_digest_tells_apart_values_that_join_alike(some: list[str], others: list[str]) -> None:
    assert (digest(SECRET, "id", *some) == digest(SECRET, "id", *others)) == (some == others)
    assert digest(SECRET, "id", *some) != digest(SECRET, "other", *some)
    assert len(digest(SECRET, "id", *some)) == 32


def test_the_secret_is_made_once_private_and_hidden_from_git(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    secret = load_secret(config)
    file = config.state_dir / "secret"
    assert len(secret) >= 32
    assert load_secret(config) == secret
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in config.state_dir.iterdir()) == [".gitignore", "secret"]
    assert (config.state_dir / ".gitignore").read_text() == "*\n"


def test_the_environment_gives_the_secret_and_nothing_is_written(tmp_path: Path) -> None:
    config = config_in(tmp_path, secret="from-the-environment")
    assert load_secret(config) == b"from-the-environment"
    assert list(tmp_path.iterdir()) == []


def test_a_secret_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NewsletterError, match="shorter than 16") as caught:
        load_secret(config_in(tmp_path, secret="hunter2"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    config = config_in(tmp_path)
    load_secret(config)
    (config.state_dir / "secret").chmod(mode)
    with pytest.raises(NewsletterError, match="chmod 600"):
        load_secret(config)


@pytest.mark.parametrize("content", ["", "abcd\n", "not hex " * 8, "é" * 64])
def test_a_damaged_secret_is_named_and_never_replaced(tmp_path: Path, content: str) -> None:
    config = config_in(tmp_path)
    load_secret(config)
    file = config.state_dir / "secret"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(NewsletterError, match="damaged"):
        load_secret(config)
    assert file.read_text(encoding="utf-8") == content


def test_a_folder_that_can_not_be_made_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / ".newsletter").write_text("a file is in the way")
    with pytest.raises(NewsletterError, match="set NEWSLETTER_SECRET"):
        load_secret(config_in(tmp_path))


def test_processes_that_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_text("")
    program = (
        "import sys; from pathlib import Path; from newsletter.config.settings import load_config;"
        "from newsletter.audience.token import load_secret;"
        "sys.stdin.readline(); print(load_secret(load_config(Path(sys.argv[1]))).hex())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "newsletter.toml")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
    runs = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(4)
    ]
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
    answers = {run.communicate(timeout=200)[0].strip() for run in runs}
    assert len(answers) == 1
    assert answers != {""}


@pytest.mark.parametrize("secret", [b"k" * 16, b"k" * 64, b"k" * 65, bytes(range(256))])
def test_the_signature_is_hmac_sha_256(secret: bytes) -> None:
    octets = base64.urlsafe_b64decode(make_token(secret, "unsubscribe", "ada@example.org", "hello") + "===")
    message = b"token\0unsubscribe\0ada@example.org\0hello"
    assert octets[:16] == hmac.digest(secret, message, "sha256")[:16]
