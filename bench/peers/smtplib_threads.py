"""Send N messages with smtplib as well as it can be done: PORT CONNECTIONS N HTML TEXT [HOST].

One message is encoded once, the reader put in as bytes; a thread a connection, which is kept.
"""

import itertools
import smtplib
import sys
import threading
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

port, lines, count = (int(word) for word in sys.argv[1:4])
html, text = (Path(word).read_text() for word in sys.argv[4:6])
host = sys.argv[6] if len(sys.argv) > 6 else "127.0.0.1"

message = EmailMessage(policy=SMTP)
message["From"], message["To"], message["Subject"] = (
    "Ada Moreau <ada@example.org>",
    "READER@example.net",
    "A long letter",
)
message["Message-ID"] = "<READER@example.org>"
message.set_content(text, cte="quoted-printable")
message.add_alternative(html, subtype="html", cte="quoted-printable")
template = message.as_bytes()
numbers = itertools.count()  # next() is one step of the interpreter: no two threads get the same


def work() -> None:
    with smtplib.SMTP(host, port) as client:
        while (number := next(numbers)) < count:
            name = b"reader%d" % number
            client.sendmail("ada@example.org", f"reader{number}@example.net", template.replace(b"READER", name))


threads = [threading.Thread(target=work) for _ in range(lines)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
