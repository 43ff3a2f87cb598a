"""A login to the test inbox, AUTH PLAIN (RFC 4616) and AUTH LOGIN: who it is, for the server and its faults.

Pure: each step is a reply and what takes the next line, or the user and the password.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoginStep:
    """What follows a line: a reply, and what reads the next line; or the end, with the user and the password."""

    reply: str = ""
    then: "Callable[[bytes], LoginStep] | None" = None
    user: str | None = None
    password: str = ""


def begin_login(argument: str) -> LoginStep:
    """The first step, by what stands behind AUTH."""
    method, _, first = argument.partition(" ")
    if method.upper() == "PLAIN":
        return _plain(first.encode("utf-8", "surrogateescape")) if first else LoginStep("334 ", _plain)
    if method.upper() == "LOGIN":
        name = first.encode("utf-8", "surrogateescape")
        return _login_name(name) if first else LoginStep("334 VXNlcm5hbWU6", _login_name)  # Username:
    return LoginStep("504 5.5.4 use AUTH PLAIN or AUTH LOGIN")


def _plain(line: bytes) -> LoginStep:
    parts = (_decoded(line) or b"").split(b"\0")
    if len(parts) != 3:
        return LoginStep("501 5.5.2 Can't decode base64")
    return LoginStep(user=_text(parts[1]), password=_text(parts[2]))


def _login_name(line: bytes) -> LoginStep:
    name = _decoded(line)
    if name is None:
        return LoginStep("501 5.5.2 Can't decode base64")
    return LoginStep("334 UGFzc3dvcmQ6", lambda line: _login_password(name, line))  # Password:


def _login_password(name: bytes, line: bytes) -> LoginStep:
    password = _decoded(line)
    if password is None:
        return LoginStep("501 5.5.2 Can't decode base64")
    return LoginStep(user=_text(name), password=_text(password))


def _decoded(line: bytes) -> bytes | None:
    """What base64 stands for; None where it is none, or a lone `*`, which ends a login."""
    try:
        return base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        return None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
