"""One small question over the web, as mailbox providers ask it: no redirect followed, the certificate verified."""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

import httpcore

from newsletter.audience.address import ascii_domain
from newsletter.checks.request import silence

SECONDS = 10.0
_SAFE = "/%:=&~+!$,;'@()*?"  # what stands in an address as it is
MOST = 64 * 1024
"""Bytes of an answer that are read."""


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What came back; `trouble` says in words why nothing did, as the end of a sentence."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    trouble: str = ""


async def fetch(
    method: str,
    url: str,
    *,
    body: bytes = b"",
    content_type: str = "",
    address: str = "",
    tls: ssl.SSLContext | None = None,
) -> WebAnswer:
    """Ask once. `address`: where the host is, if it was looked up before."""
    try:
        parts = urlsplit(url)
        host, port = ascii_domain(parts.hostname or ""), parts.port
    except ValueError:
        return WebAnswer(trouble="is no address")
    target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    place = httpcore.URL(
        scheme=parts.scheme.encode(), host=(address or host).encode("ascii"), port=port, target=target.encode()
    )
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port is None else f"{shown}:{port}"
    headers = [("Host", authority), ("User-Agent", "newsletter-doctor"), ("Accept", "*/*"), ("Connection", "close")]
    if body:
        headers += [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    try:
        async with asyncio.timeout(SECONDS), httpcore.AsyncConnectionPool(tls or ssl.create_default_context()) as pool:
            asking = pool.stream(
                method, place, headers=headers, content=body or None, extensions={"sni_hostname": host}
            )
            async with asking as response:
                return WebAnswer(response.status, _fields(response), await _beginning(response))
    except TimeoutError:
        return WebAnswer(trouble="does not answer in time")
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError, ValueError) as error:
        return WebAnswer(trouble=silence(error))


def _fields(response: httpcore.Response) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


async def _beginning(response: httpcore.Response) -> str:
    octets = b""
    with contextlib.suppress(httpcore.RemoteProtocolError, httpcore.ReadError):
        async for piece in response.aiter_stream():
            octets += piece
            if len(octets) >= MOST:
                break
    return octets[:MOST].decode("utf-8", "replace")
