"""What the process that `command` forks from has done: loaded every module, and composed and checked one post.

A command would read the templates and the clients' data anew otherwise, for most of its time.
"""

import asyncio
import gc
import importlib
import pkgutil
from pathlib import Path

import newsletter
from newsletter import api

_ROOT = Path(__file__).parents[2]

for _module in pkgutil.walk_packages(newsletter.__path__, "newsletter."):
    if not _module.name.endswith(("__main__", ".refresh", ".env")) and ".versions" not in _module.name:
        importlib.import_module(_module.name)
_letter = api.load(_ROOT / "newsletter.toml")
_post = next(_ROOT.glob("posts/*-hello-from-the-long-view.md"))
asyncio.run(api.check(api.compose(_letter, _post)))
gc.collect()
gc.freeze()  # the pages of what is loaded stay shared
