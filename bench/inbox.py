"""How fast the test inbox takes mail, each message in its list when the 250 is given: smtp-source over ten sessions.

python bench/inbox.py                   the inbox, and Mailpit where `mailpit` is on the path
"""

import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from contenders import NEWSLETTER, make_newsletter, prepare
from sinks import ENV, WORK, free_port, need

MESSAGES = 20_000


def measured() -> list[str]:
    """A table; the peers and the message are there."""
    message = WORK / "lines.eml"  # smtp-source wants lone LF
    message.write_bytes((WORK / "message.eml").read_bytes().replace(b"\r\n", b"\n"))
    names = ["newsletter", *(["mailpit"] if shutil.which("mailpit") else [])]
    lines = [
        "| inbox | messages/s | to be seen at once | CPU s per 1,000 | peak MB | MB of files |",
        "|---|---|---|---|---|---|",
        *(measure(name, message) for name in names),
    ]
    # Not before: ext4 looks at each inode that was freed in the last minutes before it gives a new one.
    for folder in WORK.glob("inbox-*"):
        shutil.rmtree(folder)
    return lines


def measure(name: str, message: Path) -> str:
    """The row of one inbox."""
    folder = Path(tempfile.mkdtemp(prefix="inbox-", dir=WORK))
    make_newsletter(folder, 1)
    smtp, web = free_port(), free_port()
    if name == "newsletter":
        command = [NEWSLETTER, "inbox", "--no-open", "--open-api", "--smtp-port", str(smtp), "--port", str(web)]
    else:
        listen = ["--smtp", f"127.0.0.1:{smtp}", "--listen", f"127.0.0.1:{web}"]
        command = ["mailpit", *listen, "--database", str(folder / "mailpit.db"), "--max", "0"]
    server = subprocess.Popen(command, cwd=folder, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", smtp)).close()
            break
        except OSError:
            time.sleep(0.05)
    before, began = _cpu(server.pid), time.perf_counter()
    sending = ["smtp-source", "-d", "-s", "10", "-m", str(MESSAGES), "-f", "ada@example.org", "-t", "ben@example.org"]
    subprocess.run([*sending, "-F", str(message), f"127.0.0.1:{smtp}"], env=ENV, check=True)
    seconds = time.perf_counter() - began
    with urllib.request.urlopen(f"http://localhost:{web}/api/v1/messages?limit=1") as answer:
        seen = json.load(answer)["total"]
    memory = sum(_peak(pid) for pid in _family(server.pid))
    cpu = _cpu(server.pid) - before
    server.send_signal(signal.SIGINT)
    server.wait()
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    figures = f"{MESSAGES / seconds:,.0f} | {seen:,} of {MESSAGES:,} | {cpu / MESSAGES * 1000:.2f}"
    return f"| {name} | {figures} | {memory / 1024:.0f} | {disk / 1e6:.0f} |"


def _family(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    return [pid, *(int(word) for word in found)]


def _cpu(pid: int) -> float:
    """Seconds of the process and its children, in hundredths."""
    fields = (Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in _family(pid))
    return sum(int(words[11]) + int(words[12]) for words in fields) / 100


def _peak(pid: int) -> int:
    """KB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    need({"smtp-source": "postfix"})
    prepare()
    print("\n".join(measured()))
