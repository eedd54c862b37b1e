"""Waiting for what happens instead of for the clock: a busy machine takes longer, and nothing else."""

import random
import socket
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

LONGEST_S = 300


def wait_until(condition, process=None):
    """Wait until it holds; fail if the process ends before, or after minutes."""
    end = time.monotonic() + LONGEST_S
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(pid):
    """Return whether a process runs; one that ended and was not waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def find_port():
    """Return a free port below those that the system hands out, which may be taken a moment later."""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def count(path, table="messages"):
    """Return how many rows somebody else's database has by now; `table` may go on with a condition."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    except sqlite3.Error:  # not there yet
        return 0


def play(path, stop, *steps):
    """Do one thing after the other in a thread of their own, each when its time has come.

    A step is what it waits for, and what is done then: a number of messages in the database, or a
    condition. `stop` is set if one of them fails.
    """

    def run():
        try:
            for awaited, act in steps:
                wait_until(awaited if callable(awaited) else lambda n=awaited: count(path) >= n)
                act()
        except BaseException:
            stop.set()
            raise

    threading.Thread(target=run, daemon=True).start()
