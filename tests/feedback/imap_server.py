"""A scripted IMAP server, for what Dovecot can't be made to do: tokens, no keywords, no MOVE, odd refusals."""

import base64
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class ImapServer:
    """One folder; `commands` is what clients said, without their tags."""

    mails: dict[int, bytes] = field(default_factory=dict)  # by UID
    token: str = ""
    capabilities: str = "IMAP4rev1 AUTH=XOAUTH2"
    permanent_flags: str = "\\Seen \\Deleted \\*"
    flags: dict[int, set[str]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {"INBOX"})
    moved: dict[str, list[int]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"imap://ada@127.0.0.1:{self.port}/INBOX"

    def converse(self, connection: socket.socket) -> None:
        file = connection.makefile("rwb")

        def say(line: str) -> None:
            file.write(line.encode() + b"\r\n")
            file.flush()

        say("* OK scripted")
        while line := file.readline().decode().rstrip("\r\n"):
            tag, _, command = line.partition(" ")
            self.commands.append(command)
            verb = command.split(" ")[0].upper()
            if verb == "AUTHENTICATE":
                say("+ ")
                given = base64.b64decode(file.readline()).decode()
                if given == f"user=ada\1auth=Bearer {self.token}\1\1":
                    say(f"{tag} OK logged in")
                else:
                    say("+ " + base64.b64encode(f'{{"status":"400","token":"{given}"}}'.encode()).decode())
                    file.readline()
                    say(f"{tag} NO AUTHENTICATE failed {given[:40]!r}")
            else:
                for answer in self.answers(verb, command):
                    file.write(answer)
                say(f"{tag} OK {verb} done")
            if verb == "LOGOUT":
                return

    def answers(self, verb: str, command: str) -> Iterator[bytes]:
        if verb == "CAPABILITY":
            yield f"* CAPABILITY {self.capabilities}\r\n".encode()
        if verb == "SELECT":
            yield f"* {len(self.mails)} EXISTS\r\n* OK [PERMANENTFLAGS ({self.permanent_flags})] ok\r\n".encode()
        if verb == "LIST":
            name = command.rpartition(" ")[2].strip('"')
            if name in self.folders:
                yield f'* LIST () "/" "{name}"\r\n'.encode()
        if verb == "CREATE":
            self.folders.add(command.rpartition(" ")[2].strip('"'))
        if command.startswith("UID SEARCH"):
            unwanted = "\\Seen" if "UNSEEN" in command else "$NewsletterHandled"
            found = [uid for uid in self.mails if unwanted not in self.flags.get(uid, set())]
            yield f"* SEARCH {' '.join(map(str, found))}\r\n".encode()
        if command.startswith(("UID FETCH", "UID STORE", "UID MOVE", "UID COPY", "UID EXPUNGE")):
            yield from self.on_uids([int(uid) for uid in command.split(" ")[2].split(",")], command)

    def on_uids(self, uids: list[int], command: str) -> Iterator[bytes]:
        for uid in uids:
            data = self.mails.get(uid, b"")
            if "RFC822.SIZE" in command:
                yield f"* {uid} FETCH (UID {uid} RFC822.SIZE {len(data)})\r\n".encode()
            elif "BODY.PEEK" in command:
                yield f"* {uid} FETCH (UID {uid} BODY[]<0> {{{len(data)}}}\r\n".encode() + data + b")\r\n"
            elif "STORE" in command and (names := re.search(r"\((.*)\)", command)):
                self.flags.setdefault(uid, set()).update(names[1].split())
            elif "MOVE" in command or "COPY" in command:
                self.moved.setdefault(command.rpartition(" ")[2].strip('"'), []).append(uid)
            if " MOVE " in command or " EXPUNGE " in command:
                self.mails.pop(uid, None)


@contextmanager
def imap_server(server: ImapServer) -> Iterator[ImapServer]:
    """Answer on a loopback port while the block runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                server.converse(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
