"""What a login needs: access tokens from a command (XOAUTH2); and must not tell: secrets that a server repeats."""

import asyncio
import base64
import time
from dataclasses import dataclass
from urllib.parse import quote

KEPT = 300.0
"""Seconds for which a token is used again by further connections; a refused one is fetched anew at once."""
PATIENCE = 60.0
"""Seconds that the command may take."""
SHORT = 4
"""A shorter secret is no secret, and taking it out would spoil every text."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What must not be repeated, in each form in which a server may have seen it."""

    forms: tuple[str, ...] = ()

    @classmethod
    def of(cls, user: str, secret: str) -> "Secrets":
        """A password or token, as it is, quoted, and in the forms of the login commands."""
        if len(secret) < SHORT:
            return cls()
        seen = (secret, f"\0{user}\0{secret}", f"{user}\0{user}\0{secret}", f"user={user}\1auth=Bearer {secret}\1\1")
        encoded = (base64.b64encode(one.encode()).decode() for one in seen)
        return cls(tuple(sorted({secret, quote(secret), *encoded}, key=len, reverse=True)))

    def also(self, user: str, secret: str) -> "Secrets":
        """These and another one."""
        return Secrets(self.forms + Secrets.of(user, secret).forms)

    def hide(self, text: str) -> str:
        """The text without them."""
        for form in self.forms:
            text = text.replace(form, "[secret]").replace(form.rstrip("="), "[secret]")
        return text


NO_SECRETS = Secrets()


class TokenError(Exception):
    """The command gave no token; the text says why, without what it printed to stdout."""


class TokenSource:
    """Runs the command that prints an access token: once for all connections that open together."""

    def __init__(self, command: str, folder: str) -> None:
        self._command = command
        self._folder = folder or None
        self._lock = asyncio.Lock()
        self._fetched = float("-inf")
        self.kept = ""

    async def token(self, *, refused: str = "") -> str:
        """An access token; another than the `refused` one, if the command has one. Raises TokenError."""
        async with self._lock:
            if not self.kept or self.kept == refused or time.monotonic() - self._fetched > KEPT:
                self.kept = await self._fetch()
                self._fetched = time.monotonic()
            return self.kept

    async def _fetch(self) -> str:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_shell(
            self._command, cwd=self._folder, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        try:
            async with asyncio.timeout(PATIENCE):
                printed, said = await process.communicate()
        except TimeoutError:
            process.kill()
            raise TokenError(f"the command that prints the token took longer than {PATIENCE:g} s") from None
        if process.returncode:
            lines = said.decode("utf-8", "replace").split("\n")
            why = next((line.strip()[:200] for line in lines if line.strip()), f"exit {process.returncode}")
            raise TokenError(f"the command that prints the token failed ({why})")
        token = printed.decode("utf-8", "replace").strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise TokenError("the command that prints the token printed none: one line without spaces")
        return token
