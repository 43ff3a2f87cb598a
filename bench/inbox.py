"""How fast the test inbox takes mail, each message in its list when the 250 is given: smtp-source over ten sessions.

Once with one message for all, once with many that differ in words, parts, encodings and length: nothing is to be fast
because it is the same.

python bench/inbox.py                   the inbox, and Mailpit where `mailpit` is on the path
"""

import json
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.policy import EmailPolicy
from pathlib import Path
from textwrap import fill

from contenders import NEWSLETTER, make_newsletter, prepare
from sinks import ENV, WORK, free_port, need

MESSAGES = 20_000
DIFFERENT = 100
"""Messages that differ, of which each is sent equally often."""


def measured() -> list[str]:
    """A table; the peers and the message are there."""
    one = WORK / "lines.eml"  # smtp-source wants lone LF
    one.write_bytes((WORK / "message.eml").read_bytes().replace(b"\r\n", b"\n"))
    many = list(different(WORK / "different"))
    names = ["newsletter", *(["mailpit"] if shutil.which("mailpit") else [])]
    lines = [
        "| inbox | messages/s | to be seen at once | CPU s per 1,000 | peak MB | MB of files |",
        "|---|---|---|---|---|---|",
        *(measure(name, [one]) for name in names),
        *(measure(name, many) for name in names),
    ]
    # Not before: ext4 looks at each inode that was freed in the last minutes before it gives a new one.
    for folder in WORK.glob("inbox-*"):
        shutil.rmtree(folder)
    return lines


def different(folder: Path) -> Iterator[Path]:
    """Texts, HTML, both, attachments; Latin, Cyrillic; every encoding; 1 to 200 KB, 27 on average."""
    folder.mkdir(exist_ok=True)
    chance = random.Random(1)
    alphabets = ("abcdefghijklmnoprstuvw", "абвгдежзийклмнопрстуфхцч")
    words = [["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(30_000)] for letters in alphabets]
    frequent = [1 / rank for rank in range(1, 30_001)]
    for number in range(DIFFERENT):
        language = words[chance.random() < 0.15]
        text = [" ".join(chance.choices(language, frequent, k=chance.randint(20, 90))) for _ in range(number % 17 + 2)]
        style = "font-family:Georgia,serif;font-size:17px;line-height:1.6;margin:0 0 16px"
        rich = "<html><body>" + "\n".join(f'<p style="{style}">{part}</p>' for part in text) + "</body></html>"
        message = EmailMessage(EmailPolicy(linesep="\n"))
        message["From"], message["To"] = f"{language[number]}@example.org", f"Ben <ben+{number}@example.net>"
        message["Subject"], message["Date"] = text[0][:60], f"Fri, 27 Nov 2026 11:{number % 60:02d}:05 +0100"
        encoding = ("quoted-printable", "base64", "8bit")[number % 3]
        if number % 5:
            message.set_content("\n\n".join(text), cte="quoted-printable")
            message.add_alternative(rich, subtype="html", cte=encoding)
        else:
            message.set_content("\n\n".join(map(fill, text)), cte=encoding)
        if number % 4 == 0:
            data = chance.randbytes(int(chance.lognormvariate(10, 1)))
            message.add_attachment(data, maintype="application", subtype="pdf", filename=f"{language[number]}.pdf")
        path = folder / f"{number}.eml"
        path.write_bytes(message.as_bytes())
        yield path


def measure(name: str, messages: list[Path]) -> str:
    """The row of one inbox; `messages`: one, or ten and more."""
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
    lanes = max(10 // len(messages), 1)
    sending = ["smtp-source", "-d", "-s", str(lanes), "-m", str(MESSAGES // len(messages)), "-f", "ada@example.org"]

    def send(message: Path) -> None:
        where = ["-t", "ben@example.org", "-F", str(message), f"127.0.0.1:{smtp}"]
        subprocess.run([*sending, *where], env=ENV, check=True)

    with ThreadPoolExecutor(10) as sessions:
        list(sessions.map(send, messages))
    seconds = time.perf_counter() - began
    with urllib.request.urlopen(f"http://localhost:{web}/api/v1/messages?limit=1") as answer:
        seen = json.load(answer)["total"]
    memory = sum(_peak(pid) for pid in _family(server.pid))
    cpu = _cpu(server.pid) - before
    server.send_signal(signal.SIGINT)
    server.wait()
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    figures = f"{MESSAGES / seconds:,.0f} | {seen:,} of {MESSAGES:,} | {cpu / MESSAGES * 1000:.2f}"
    kind = "one message" if len(messages) == 1 else f"{len(messages)} that differ"
    return f"| {name}, {kind} | {figures} | {memory / 1024:.0f} | {disk / 1e6:.0f} |"


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
