"""This machine and folder as the doctor finds them."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.audience.token import load_secret
from newsletter.config.settings import Config, load_config
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.here import examine_here
from newsletter.state import open_state
from newsletter.state.schema import deliveries, issues


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "newsletter.toml").write_text('[newsletter]\nauthor = "Ada <ada@example.org>"\n')
    config = load_config(tmp_path / "newsletter.toml")
    load_secret(config)
    open_state(config).dispose()
    return config


def examine(config: Config, outside: datetime | None = None) -> dict[str, Diagnosis]:
    return {one.check: one for one in examine_here(config, outside)}


def test_secrets_that_others_can_read_are_named_with_the_command(config: Config) -> None:
    assert examine(config)["secrets"].result == "pass"
    (config.state_dir / "secret").chmod(0o644)
    said = examine(config)["secrets"]
    assert (said.result, said.fix) == ("fail", "run `chmod 600 .newsletter/secret`")


def test_a_secret_in_git_is_named(config: Config) -> None:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    for command in (["init", "-q"], ["add", "-f", ".newsletter/secret"]):
        subprocess.run(["git", "-C", config.root, *command], check=True)
    said = examine(config)["git"]
    assert said.result == "fail"
    assert "git rm --cached .newsletter/secret" in said.fix


def test_a_clock_that_is_wrong_is_named(config: Config) -> None:
    assert examine(config)["clock"].result == "skip"
    assert examine(config, datetime.now(UTC))["clock"].result == "pass"
    late = examine(config, datetime.now(UTC) + timedelta(minutes=20))["clock"]
    assert (late.result, "20 minutes slow" in late.what) == ("fail", True)


def test_a_damaged_state_file_is_named_and_a_copy_is_seen(config: Config) -> None:
    assert examine(config)["state"].result == "pass"
    assert examine(config)["backup"].result == "warn"
    shutil.copy(config.root / "newsletter.db", config.root / "newsletter.bak")
    assert examine(config)["backup"].result == "pass"
    octets = bytearray((config.root / "newsletter.db").read_bytes())
    octets[4096:20_000] = b"\xa5" * (20_000 - 4096)
    (config.root / "newsletter.db").write_bytes(octets)
    assert examine(config)["state"].result == "fail"


def test_whom_the_newest_issue_left_in_doubt_is_counted(config: Config) -> None:
    engine = open_state(config)
    values = {"post": "p", "subject": "s", "frozen": "{}", "hash": "h", "list_hash": ""}
    with engine.begin() as connection:
        connection.execute(issues.insert(), [{"number": 1, "id": "hello", "created": 1.0, **values}])
        row = {"issue": 1, "key": "a@example.org", "email": "a@example.org", "name": "", "columns": "{}"}
        connection.execute(deliveries.insert(), [{**row, "state": "unknown"}])
    said = examine(config)["unknown"]
    assert said.result == "warn"
    assert "1 may have hello or not" in said.what
    assert "--state unknown" in said.fix


def test_a_new_folder_has_nothing_wrong(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_text('[newsletter]\nauthor = "Ada <ada@example.org>"\n')
    found = examine(load_config(tmp_path / "newsletter.toml"))
    assert {one.result for one in found.values()} == {"skip"}
    assert not (tmp_path / "newsletter.db").exists()
