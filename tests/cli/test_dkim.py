"""`dkim generate`, and what is signed with its key, judged by dkimpy."""

import re
import stat
from pathlib import Path

import dkim

from newsletter.compose.message.dkim_key import load_keys
from newsletter.config.settings import load_config

from .conftest import Run


def test_a_key_is_made_and_its_record_alone_is_on_stdout(run: Run, folder: Path) -> None:
    made = run("dkim", "generate")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("newsletter._domainkey.example.org. IN TXT (")
    assert made.stdout.count("\n") == 1
    path = folder / ".newsletter/dkim/example.org.newsletter.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    before = path.read_bytes()
    again = run("dkim", "generate")
    assert again.returncode == 2
    assert "never written over" in again.stderr
    assert again.stdout == ""
    assert path.read_bytes() == before


def test_what_is_no_domain_makes_no_key(run: Run, folder: Path) -> None:
    refused = run("dkim", "generate", "--domain", "../x")
    assert refused.returncode == 2
    assert "can't be a DKIM domain" in refused.stderr
    assert not (folder / ".newsletter/dkim").exists()
    path = folder / "newsletter.toml"
    path.write_text(re.sub("(?m)^author = .*", 'author = "Your Name <you@example.org>"', path.read_text()))
    assert "author is still you@example.org" in run("dkim", "generate").stderr


def test_the_lines_that_generate_prints_sign_what_is_rendered(run: Run, folder: Path) -> None:
    made = [run("dkim", "generate"), run("dkim", "generate", "--selector", "ed", "--type", "ed25519")]
    with (folder / "newsletter.toml").open("a", encoding="utf-8") as file:
        file.write(made[0].stderr[made[0].stderr.index("[dkim]") :])
    (key,) = load_keys(load_config(folder / "newsletter.toml"))
    assert key.zone_line == made[0].stdout.strip()
    out = folder / "hello.eml"
    shown = run("render", "hello", "--format", "eml", "-o", str(out))
    assert shown.returncode == 0, shown.stderr
    verifier = dkim.DKIM(out.read_bytes())
    assert verifier.verify(dnsfunc=lambda name, timeout=5: {f"{key.name}.".encode(): key.record.encode()}[name])


def test_a_key_that_is_gone_is_said_with_the_way_to_make_one(run: Run, folder: Path) -> None:
    with (folder / "newsletter.toml").open("a", encoding="utf-8") as file:
        file.write('[dkim]\ndomain = "example.org"\nselector = "a"\nkey_file = "gone.pem"\n')
    refused = run("render", "hello")
    assert refused.returncode == 2
    assert "newsletter dkim generate" in refused.stderr
    assert "Traceback" not in refused.stderr
