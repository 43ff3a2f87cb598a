"""How many messages of 30 KB one core writes in a second, unsigned and signed: what DKIM costs.

Keys are made for the run. Each round writes the same messages with each kind in turn; a figure is the median.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from newsletter.audience.subscriber import Subscriber
from newsletter.compose.issue import Slot
from newsletter.compose.message.dkim_key import generate_key
from newsletter.compose.message.writer import MessageWriter

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.compose.writing import SECRET, issue

WORDS = "The long view of a letter that people asked for, and read to its end. "
MESSAGES = 1_000


def measure(rounds: int = 5, messages: int = MESSAGES) -> list[str]:
    """The lines of a table."""
    body = WORDS * (26_000 // len(WORDS))
    name = Slot("{{ subscriber.name }}", "t.html", 1)
    made = issue(html=("<p>Dear ", name, ",</p><p>" + body + "</p>"), text=("Dear ", name, ",\n" + WORDS * 40))
    people = [Subscriber(f"reader{number}@example.org", f"Reader {number}") for number in range(messages)]
    with tempfile.TemporaryDirectory() as folder:
        rsa = generate_key(Path(folder) / "rsa.pem", "example.org", "newsletter", "rsa")
        ed = generate_key(Path(folder) / "ed.pem", "example.org", "ed", "ed25519")
        kinds = {"none": (), "RSA-2048": (rsa,), "Ed25519": (ed,), "both": (rsa, ed)}
        writers = {kind: MessageWriter(made, SECRET, keys=keys) for kind, keys in kinds.items()}
        size = len(writers["both"].envelope(people[0]).message)
        rates: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind, writer in writers.items():
                began = time.process_time()
                for person in people:
                    writer.envelope(person)
                rates[kind].append(messages / (time.process_time() - began))
    lines = [f"| signatures ({size:,} bytes) | messages/s of one core | µs each |", "|---|---|---|"]
    for kind, found in rates.items():
        rate = statistics.median(found)
        lines.append(f"| {kind} | {rate:,.0f} | {1e6 / rate:,.0f} |")
    return lines


if __name__ == "__main__":
    print("\n".join(measure()))
