"""What is slow to make, kept in BUILD/lab-cache and the same for every lab."""

import fcntl
import shutil

import layout


def ensure(root, make):
    """Has a directory there made by make(new), if it is missing, all or nothing: under another name.

    Several that ask at once wait for one to do so.
    """
    layout.cache_dir().mkdir(parents=True, exist_ok=True)
    with open(layout.cache_dir() / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.is_dir():
            return
        new = root.with_name(root.name + ".new")
        shutil.rmtree(new, ignore_errors=True)
        make(new)
        new.rename(root)
