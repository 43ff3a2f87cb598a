"""The log of intents and replies: whatever a crash or a power cut leaves of it is read as far as it is whole."""

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.ledger.log import LONGEST, Log, Opening, changes, logs, read
from newsletter.errors import NewsletterError

SENT = (1, "sent", 250, "2.0.0", "ok", ".", "relay:25", None, 1000.0, 0)


def written(state: Path) -> Path:
    """A log as a killed sender leaves it: one recipient sent, another under way."""
    log = Log(state, "hello", 3, lambda _: True)
    log.intend(1, 999.0)
    log.record(SENT)
    log.intend(2, 1000.5)
    log.write()
    log.close(settled=False)
    return log.path


@given(
    cut=st.integers(0, 200),
    rest=st.binary(max_size=40) | st.sampled_from([b"5\n", b"null\n", b'"x"\n', b"[]\n", b"[1,2,3]\n"]),
)
def test_a_log_that_is_cut_or_damaged_is_read_up_to_there(
    tmp_path_factory: pytest.TempPathFactory, cut: int, rest: bytes
) -> None:
    path = written(tmp_path_factory.mktemp("log") / "newsletter.db")
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    path.write_bytes(whole[: max(first, len(whole) - cut)] + rest)
    opening, entries = read(path)
    assert opening == Opening("hello", 3)
    found = changes(opening, entries, 0)
    assert found.get(1, SENT)[1] in ("sent", "sending")
    if not cut:
        assert found[1][1] == "sent"


def test_a_state_file_with_brackets_in_its_name_finds_its_log(tmp_path: Path) -> None:
    state = tmp_path / "letter[1].db"
    assert logs(state) == []
    path = written(state)
    assert logs(state) == [path]


def test_a_log_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "newsletter.db-intents"
    path.write_text(json.dumps({"format": 2, "issue": "hello", "epoch": 1, "mark": 0}) + "\n")
    with pytest.raises(NewsletterError, match="newer version"):
        read(path)


@pytest.mark.parametrize("behind", [0, 5, 20_000])
def test_a_long_log_begins_anew_behind_a_mark_and_is_not_read_for_it(tmp_path: Path, behind: int) -> None:
    log = Log(tmp_path / "newsletter.db", "hello", 3, lambda _: True)
    for _ in range(LONGEST // 12 + 1):
        log.intend(1, 999.0)
    mark = log.mark()
    for number in range(behind):
        log.intend(number, 1000.0)
    log.write()
    tracemalloc.start()
    try:
        log.shorten(mark)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    log.intend(7, 1001.0)
    log.write()
    log.close(settled=False)
    opening, entries = read(log.path)
    assert opening == Opening("hello", 3, mark)
    assert list(entries) == [*([number, 1000.0] for number in range(behind)), [7, 1001.0]]
    assert peak < 5_000_000
