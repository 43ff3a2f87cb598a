"""`newsletter` as a process of its own that starts in a hundredth of a second: forked from one that has all modules.

Arguments, environment, folder, streams, signals and exit code are what a user's process has; only the start is not:
that is `test_surroundings`' and `test_question`'s, with the installed script.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE = 200.0
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.cli.loaded"])


def run_command(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], umask: int = 0o022
) -> "subprocess.CompletedProcess[str]":
    """Run `newsletter` with `arguments` to its end, with nothing on stdin."""
    with tempfile.TemporaryDirectory() as place:
        streams = Path(place, "stdout"), Path(place, "stderr")
        process = _PROCESSES.Process(
            target=_be_newsletter, args=(arguments, folder, dict(environment), umask, *streams)
        )
        process.start()
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["newsletter", *arguments], PATIENCE)
        code = process.exitcode
        process.close()
        out, err = (path.read_text(encoding="utf-8") if path.exists() else "" for path in streams)
    return subprocess.CompletedProcess(["newsletter", *arguments], code, out, err)


def _be_newsletter(
    arguments: Sequence[str], folder: Path, environment: dict[str, str], umask: int, stdout: Path, stderr: Path
) -> None:
    """What the installed script does, in the forked process."""
    from newsletter.cli import main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for number, path in enumerate((Path(os.devnull), stdout, stderr)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.umask(umask)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, encoding="utf-8") for number, mode in enumerate("rww"))
    sys.argv = ["newsletter", *arguments]
    main()
