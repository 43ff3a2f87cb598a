"""What holds for the house as a whole; who may import whom is import-linter's business (pyproject.toml)."""

from pathlib import Path

import newsletter

ROOT = Path(newsletter.__file__).parent


def test_only_one_file_starts_an_event_loop() -> None:
    starters = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if any(
            word in path.read_text(encoding="utf-8")
            for word in ("asyncio.run(", "asyncio.Runner(", "run_until_complete(")
        )
    }
    assert starters == {"cli/loop.py"}
