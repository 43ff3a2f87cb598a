"""Send N messages with the standard library over one connection: PORT N HTML TEXT [HOST]."""

import smtplib
import sys
from email.message import EmailMessage
from pathlib import Path


def main(port: str, count: str, html_file: str, text_file: str, host: str = "127.0.0.1") -> None:
    html, text = Path(html_file).read_text(), Path(text_file).read_text()
    with smtplib.SMTP(host, int(port)) as smtp:
        for n in range(int(count)):
            message = EmailMessage()
            message["From"] = "Ada Moreau <ada@example.org>"
            message["To"] = f"Reader {n} <reader{n}@example.net>"
            message["Subject"] = "A long letter"
            message.set_content(text.replace("READER", f"Reader {n}"))
            message.add_alternative(html.replace("READER", f"Reader {n}"), subtype="html")
            smtp.send_message(message)


main(*sys.argv[1:])
