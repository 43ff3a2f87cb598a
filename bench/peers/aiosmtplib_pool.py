"""Send N messages with a plain pool of aiosmtplib connections: PORT CONNECTIONS N HTML TEXT [HOST]."""

import asyncio
import sys
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import jinja2


async def main(
    port: str, connections: str, count: str, html_file: str, text_file: str, host: str = "127.0.0.1"
) -> None:
    environment = jinja2.Environment(autoescape=True)
    html = environment.from_string(Path(html_file).read_text().replace("READER", "{{ name }}"))
    text = jinja2.Template(Path(text_file).read_text().replace("READER", "{{ name }}"))
    numbers = iter(range(int(count)))

    async def worker() -> None:
        async with aiosmtplib.SMTP(hostname=host, port=int(port), start_tls=False) as smtp:
            for n in numbers:
                message = EmailMessage()
                message["From"] = "Ada Moreau <ada@example.org>"
                message["To"] = f"Reader {n} <reader{n}@example.net>"
                message["Subject"] = "A long letter"
                message.set_content(text.render(name=f"Reader {n}"))
                message.add_alternative(html.render(name=f"Reader {n}"), subtype="html")
                await smtp.send_message(message)

    await asyncio.gather(*(worker() for _ in range(int(connections))))


asyncio.run(main(*sys.argv[1:]))
