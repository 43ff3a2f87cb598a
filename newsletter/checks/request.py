"""One HTTP request to an address of somebody else's, which may be hostile: the status, where it leads, how long it is.

The host's name is resolved once, addresses that are not allowed are refused, and the connection goes to the address
that was checked, so a name that changes its mind in between gains nothing. HTTP is httpcore's. Proxies are not used.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, urlsplit

import httpcore

from newsletter.audience.address import ascii_domain
from newsletter.checks.public_address import Address

_AGENT = "newsletter-check"


class Unreachable(Exception):  # noqa: N818 (an outcome, not an error)
    """Why there is no answer, in words for the finding."""


async def request(
    method: str,
    url: str,
    allowed: Callable[[Address], bool],
    tls: ssl.SSLContext,
    form: str = "",
    *,
    body: bytearray | None = None,
    most: int = 0,
) -> tuple[int, str, int | None]:
    """Send one request; the status, the Location header and Content-Length. Raises Unreachable.

    `body` gets the first `most` bytes of the answer.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        name = host if ":" in host else ascii_domain(host)
        port = parts.port
    except ValueError:  # UnicodeError is one
        raise Unreachable("is no address") from None
    if parts.scheme not in {"http", "https"} or not name:
        raise Unreachable(f"is no web address but {parts.scheme or 'nothing'}:")
    target = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*") + (
        "?" + quote(parts.query, safe="/%:=&~+!$,;'@()*?[]") if parts.query else ""
    )
    address = httpcore.URL(scheme=parts.scheme.encode(), host=name.encode(), port=port, target=target.encode())
    shown = f"[{name}]" if ":" in name else name
    authority = shown if port in {None, 80, 443} else f"{shown}:{port}"
    fields = [("Host", authority), ("User-Agent", _AGENT), ("Accept", "*/*"), ("Connection", "close")]
    sent = form.encode("ascii")
    if sent:
        fields += [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", str(len(sent)))]
    pool = httpcore.AsyncConnectionPool(tls, network_backend=_CheckedNetwork(allowed))
    try:
        async with pool, pool.stream(method, address, headers=fields, content=sent or None) as response:
            if body is not None and most:
                body.clear()
                async for chunk in response.aiter_stream():
                    body += chunk[: most - len(body)]
                    if len(body) >= most:
                        break
            return _read_head(response)
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ValueError) as error:
        raise Unreachable(silence(error)) from None


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to the very address that was looked up and allowed."""

    def __init__(self, allowed: Callable[[Address], bool]) -> None:
        self._allowed = allowed
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the interface is httpcore's)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first allowed address of the host. Raises Unreachable where there is none."""
        address = await _resolve(host, port, self._allowed)
        return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)


async def _resolve(host: str, port: int, allowed: Callable[[Address], bool]) -> Address:
    """One allowed address of a host."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unreachable(f"leads to {host}, which does not exist") from None
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        if allowed(address):
            return address
    raise Unreachable("leads to a private address, which readers can't reach")


def _read_head(response: httpcore.Response) -> tuple[int, str, int | None]:
    fields = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in reversed(response.headers)}
    length = fields.get("content-length", "")
    return response.status, fields.get("location", ""), int(length) if length.isdecimal() else None


def silence(error: BaseException) -> str:
    """Why there was no answer, from the error at its root, as the end of a sentence."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has a certificate that is not trusted ({cause.verify_message})"
        if isinstance(cause, OSError) and cause.strerror:
            return f"does not answer ({cause.strerror})"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpcore.RemoteProtocolError) and "disconnected" not in str(error):
        return "does not speak HTTP"
    return "does not answer (it hangs up)"
