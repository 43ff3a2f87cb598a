"""Bring caniemail.json up to date from the npm package `caniemail`, with its licence and where it came from.

    python newsletter/checks/clients/data/refresh.py [VERSION]

Needs the `npm` client, which knows its registry; nothing else of Node. The data is kept byte for byte as
published, so its checksum can be compared. Read the difference and run the tests before committing: a new feature may
need a weight.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = """\
caniemail.json: which mail clients support which HTML, CSS and images, by caniemail.com.

package  caniemail {version} (npm), data/caniemail.json, unchanged
licence  {licence}, see caniemail.LICENSE
data of  {updated}
sha256   {sha256}
refresh  python newsletter/checks/clients/data/refresh.py
"""


def refresh(version: str) -> str:
    """Replace the three files; returns the text of the one that says where they come from."""
    with tempfile.TemporaryDirectory() as folder:
        pack = ["npm", "pack", "--silent", f"caniemail@{version}", "--pack-destination", folder]
        subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (fixed words, a version)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            data, licence, package = (
                archive.extractfile(f"package/{name}").read()  # type: ignore[union-attr]
                for name in ("data/caniemail.json", "LICENSE", "package.json")
            )
    about, parsed = json.loads(package), json.loads(data)
    text = SOURCE.format(
        version=about["version"],
        licence=about["license"],
        updated=parsed["last_update_date"],
        sha256=hashlib.sha256(data).hexdigest(),
    )
    (HERE / "caniemail.json").write_bytes(data)
    (HERE / "caniemail.LICENSE").write_bytes(licence)
    (HERE / "caniemail.txt").write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    print(refresh(sys.argv[1] if len(sys.argv) > 1 else "latest"))  # noqa: T201
