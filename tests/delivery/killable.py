"""A sender in a process of its own, to be killed: `killable.py LEDGER URL COUNT CONNECTIONS`."""

import asyncio
import sys
from pathlib import Path

from tests.delivery.sending import QUICK, people, send

if __name__ == "__main__":
    path, url, count, connections = sys.argv[1:]
    asyncio.run(send(Path(path), url, people(int(count)), connections=int(connections), retry=QUICK))
