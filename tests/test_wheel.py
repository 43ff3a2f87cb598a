"""The wheel carries all that a newsletter needs: it is built, installed into a clean environment, and sends."""

import json
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from tests.test_weight import NEVER_USED, needed

ROOT = Path(__file__).parent.parent


def bring(names: set[str], site: Path) -> None:
    """Copy the distributions `names` as they are installed here, compiled modules included."""
    for name in names:
        for file in metadata.files(name) or ():
            if ".." not in file.parts:  # no commands
                to = site / file
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file.locate(), to)


def test_the_wheel_sends_from_an_empty_folder(tmp_path: Path) -> None:
    def run(*command: object, cwd: Path = tmp_path) -> str:
        done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path / "dist", ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "clean")
    programs = tmp_path / "clean" / "bin"
    pip = (sys.executable, "-m", "pip", "--quiet", "--python", programs / "python")
    run(*pip, "install", "--no-deps", wheel)
    (site,) = (tmp_path / "clean").glob("lib/python*/site-packages")
    bring(needed() - NEVER_USED, site)
    letter = tmp_path / "letter"
    letter.mkdir()
    run(programs / "newsletter", "init", cwd=letter)
    html = run(programs / "newsletter", "render", "hello", cwd=letter)
    assert 'role="presentation"' in html
    assert run(programs / "newsletter", "--version") == run(programs / "python", "-m", "newsletter", "--version")
    assert (tmp_path / "clean/share/man/man1/newsletter.1").exists()
    assert run(programs / "newsletter", "completion", "fish").startswith("# fish completion")
    about = run(programs / "python", "-c", "import importlib.metadata as m; print(m.metadata('newsletter-press'))")
    assert "](docs/" not in about  # links and pictures of the package index
    assert "This is the first issue" in html
    said = json.loads(run(programs / "newsletter", "send", "hello", "--dry-run", "--json", cwd=letter))
    assert (said["mode"], said["sent"]) == ("dry-run", 2)
    checked = subprocess.run([programs / "newsletter", "check", "hello", "--json"], cwd=letter, capture_output=True)
    rules = {finding["rule"] for finding in json.loads(checked.stdout) if finding["severity"] == "error"}
    assert rules == {"unsubscribe", "postal-address"}
    static = run(programs / "python", "-c", "import newsletter.web.pages as p; print(*p.FOLDER.rglob('*'))", cwd=letter)
    assert "base.css" in static
    assert "base.html" in static
