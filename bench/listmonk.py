"""The peer listmonk, with a PostgreSQL of its own: how fast it sends a campaign, and what a kill leaves.

The environment's LISTMONK names the folder where its source was built (`go build -o listmonk ./cmd`; its module path
lacks the version, so Go's proxy has no release of it). Its start, and that it looks for campaigns each five seconds,
are not counted: the clock runs from the first message that the sink takes to the last. Its rate limit is lifted; a kill
is of listmonk alone, whose database lives on.

LISTMONK=… python bench/listmonk.py     its rate and what a kill leaves
"""

import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contenders import Run, prepare
from sinks import ENV, WORK, Sink, free_port, sink

FOLDER = Path(os.environ.get("LISTMONK", WORK / "listmonk"))
_SETTINGS = {"app.concurrency": 10, "app.message_rate": 100_000, "app.batch_size": 1000, "app.max_send_errors": 0}


def is_built() -> bool:
    return (FOLDER / "listmonk").exists() and bool(glob.glob("/usr/lib/postgresql/*/bin/initdb"))


def version() -> str:
    if not is_built():
        return "not built"
    said = subprocess.run([FOLDER / "listmonk", "--version"], capture_output=True, text=True, cwd=FOLDER, check=False)
    return said.stdout.split()[0] if said.stdout else "?"


def rate(messages: int) -> Run:
    """One campaign into a fast sink, over ten connections."""
    log = WORK / "listmonk.log"
    with sink("fastsink", log) as where, _database() as database:
        _prepare(database, where, messages)
        with _started(database) as process:
            _reached(log, 1, process)
            began, before = time.perf_counter(), _spent(process.pid, database)
            _reached(log, messages, process)
            seconds = time.perf_counter() - began
            spent = _spent(process.pid, database)
        return Run(messages, seconds, spent[0] - before[0], spent[1])


def crash(messages: int, seed: int) -> tuple[int, int]:
    """Killed once in the middle and started again: how many got it twice, and how many never."""
    log = WORK / "listmonk.log"
    with sink("fastsink", log) as where, _database() as database:
        _prepare(database, where, messages)
        with _started(database) as process:
            _reached(log, random.Random(seed).randrange(messages // 5, messages * 4 // 5), process)
            process.kill()
            process.wait()
        with _started(database) as process:
            while _asked(database, "SELECT status FROM campaigns WHERE name = 'bench'") != "finished":
                assert process.poll() is None
                time.sleep(0.5)
            time.sleep(2)  # what is under way
        got = Counter(line.partition("<")[2].partition(">")[0] for line in log.read_text().splitlines())
    return sum(count > 1 for count in got.values()), messages - len(got)


@contextmanager
def _database() -> Iterator[int]:
    """The port of a PostgreSQL with its own defaults, and listmonk's tables in it."""
    programs = Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
    folder, port = Path(tempfile.mkdtemp(prefix="listmonk-", dir="/var/tmp")), free_port()
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    quiet = {"user": user, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    subprocess.run([programs / "initdb", "-D", folder / "data", "-A", "trust", "-U", "listmonk"], check=True, **quiet)  # type: ignore[call-overload]
    options = ["-D", folder / "data", "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"]
    server = subprocess.Popen([programs / "postgres", *options], **quiet)  # type: ignore[call-overload]
    try:
        while subprocess.run(
            [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False
        ).returncode:
            time.sleep(0.1)
        _asked(port, "CREATE DATABASE listmonk", "postgres")
        _config(port).write_text(
            f'[app]\naddress = "127.0.0.1:{free_port()}"\n[db]\nhost = "127.0.0.1"\nport = {port}\nuser = "listmonk"\n'
            'password = ""\ndatabase = "listmonk"\nssl_mode = "disable"\n'
            'max_open = 25\nmax_idle = 25\nmax_lifetime = "300s"\n'
        )
        install = [FOLDER / "listmonk", "--config", _config(port), "--install", "--yes"]
        subprocess.run(install, cwd=FOLDER, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield port
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        shutil.rmtree(folder)


def _config(port: int) -> Path:
    return WORK / f"listmonk-{port}.toml"


def _prepare(port: int, where: Sink, messages: int) -> None:
    """Its settings, the subscribers and a campaign that is running."""
    relay = {
        "enabled": True, "host": where.host, "port": where.port, "auth_protocol": "none", "max_conns": 10,
        "idle_timeout": "15s", "wait_timeout": "5s", "max_msg_retries": 2, "msg_retry_delay": "10ms",
        "tls_type": "none", "tls_skip_verify": True, "email_headers": [], "from_addresses": [], "username": "",
        "password": "", "hello_hostname": "",
    }  # fmt: skip
    for key, value in {**_SETTINGS, "smtp": [relay]}.items():
        _asked(port, f"UPDATE settings SET value = '{json.dumps(value)}' WHERE key = '{key}'")
    body = (WORK / "peer.html").read_text().replace("{{", "").replace("READER", "{{ .Subscriber.Name }}")
    text = (WORK / "peer.txt").read_text().replace("{{", "").replace("READER", "{{ .Subscriber.Name }}")
    _asked(
        port,
        f"""
        DELETE FROM subscribers; DELETE FROM campaigns; DELETE FROM lists;
        INSERT INTO lists (uuid, name, type) VALUES (gen_random_uuid(), 'bench', 'private');
        INSERT INTO subscribers (uuid, email, name)
            SELECT gen_random_uuid(), 'reader' || n || '@example.net', 'Reader ' || n
            FROM generate_series(0, {messages - 1}) n;
        INSERT INTO subscriber_lists (subscriber_id, list_id, status)
            SELECT subscribers.id, lists.id, 'confirmed' FROM subscribers, lists;
        INSERT INTO templates (name, type, subject, body)
            VALUES ('bench', 'campaign', '', '{{{{ template "content" . }}}}');
        INSERT INTO campaigns
            (uuid, name, subject, from_email, body, altbody, content_type, status, messenger, template_id)
            SELECT gen_random_uuid(), 'bench', 'A long letter', 'Ada Moreau <ada@example.org>', $body${body}$body$,
                $text${text}$text$, 'html', 'running', 'email', id FROM templates WHERE name = 'bench';
        INSERT INTO campaign_lists (campaign_id, list_id, list_name)
            SELECT campaigns.id, lists.id, 'bench' FROM campaigns, lists;
        """,
    )


def _asked(port: int, statement: str, database: str = "listmonk") -> str:
    command = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port), "-U", "listmonk", database]
    done = subprocess.run(command, input=statement, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"listmonk's database: {done.stderr}")
    return done.stdout.strip()


@contextmanager
def _started(port: int) -> Iterator[subprocess.Popen[bytes]]:
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([FOLDER / "listmonk", "--config", _config(port)], cwd=FOLDER, env=ENV, **quiet)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _reached(log: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the sink has taken so many."""
    line = len("RCPT TO:<reader1000@example.net>\r\n")
    while log.stat().st_size < count * (line - 4):
        if process.poll() is not None:
            sys.exit("listmonk has ended")
        time.sleep(0.005)
    while count > 1000 and log.read_bytes().count(b"\n") < count:
        if process.poll() is not None:
            sys.exit("listmonk has ended")
        time.sleep(0.02)


def _spent(pid: int, port: int) -> tuple[float, float]:
    """CPU seconds and peak MB of listmonk and of its database's processes."""
    server = subprocess.run(["pgrep", "-f", f"postgres .*-p {port} "], capture_output=True, text=True, check=False)
    family = [pid]
    for first in server.stdout.split():
        children = subprocess.run(["pgrep", "-P", first], capture_output=True, text=True, check=False)
        family += [int(first), *map(int, children.stdout.split())]
    cpu = memory = 0.0
    for one in family:
        try:
            words = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{one}/status").read_text()
        except OSError:
            continue
        cpu += (int(words[11]) + int(words[12])) / 100
        memory += int(status.partition("RssAnon:")[2].split()[0]) / 1024
    return cpu, memory


if __name__ == "__main__":
    prepare()
    run = rate(20_000)
    print(f"listmonk {version()}: {run.rate:,.0f}/s, {run.cpu / run.messages * 1000:.3f} CPU s per 1,000")
    print("killed once in 10,000, twice and never:", *(crash(10_000, seed) for seed in range(2)))
