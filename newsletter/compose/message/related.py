"""The HTML part with the pictures that it names by Content-ID: multipart/related (RFC 2387, 2392), base64.

All recipients share it, so it is written once an issue; the HTML between is the writer's.
"""

from collections.abc import Sequence

from newsletter.compose.issue import Picture

_LINE = 76


class Related:
    """What stands before and after the HTML of an issue with `pictures`; `boundary` is that of the whole message."""

    def __init__(self, pictures: Sequence[Picture], boundary: str) -> None:
        self._boundary = boundary.replace("=_", "=-", 1)  # in no quoted-printable or base64, and no start of the other
        parts = "".join(f"\r\n--{self._boundary}\r\n{_part(picture)}" for picture in pictures)
        self.after = f"{parts}\r\n--{self._boundary}--\r\n".encode("ascii")

    def before(self, html_header: str) -> bytes:
        """The part's own header, and that of the HTML in it."""
        header = f'Content-Type: multipart/related; type="text/html";\r\n boundary="{self._boundary}"\r\n\r\n'
        return f"{header}--{self._boundary}\r\n{html_header}".encode("ascii")


def _part(picture: Picture) -> str:
    lines = (picture.data[at : at + _LINE] for at in range(0, len(picture.data), _LINE))
    return (
        f"Content-Type: {picture.content_type}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-ID: <{picture.cid}>\r\n"
        f'Content-Disposition: inline; filename="{picture.name}"\r\n\r\n' + "\r\n".join(lines)
    )
