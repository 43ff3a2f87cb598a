"""Imports every module of the program: what the process that `command` forks from has loaded."""

import importlib
import pkgutil

import newsletter

for _module in pkgutil.walk_packages(newsletter.__path__, "newsletter."):
    if not _module.name.endswith(("__main__", ".refresh", ".env")) and ".versions" not in _module.name:
        importlib.import_module(_module.name)
