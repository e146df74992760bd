"""The programs of the tree that scenarios run themselves."""

import os
from pathlib import Path

import layout
import procs

WHERE = {"engine_lookup": "tests/tools", "engine_load": "tests/tools", "probe_load": "tests/tools",
         "requiretls-query": "milter"}


def path(name):
    found = Path(os.environ.get("LAB_BUILD") or layout.build_dir()) / WHERE[name] / name
    if not found.exists():
        raise procs.LabError(f"{found} does not exist: build it, or give --build")
    return found
