"""Work for a cluster in tests: it counts itself, and ends its own worker where it is told to."""

import json
import os
import signal
import time
from pathlib import Path

from chatlib.files import atomic_write
from chatlib.scale import streams


def count_and_write(item):
    """Write a number's square as the output; of some numbers, end the worker at the first call."""
    folder, number, kills, pause_s = item
    with (Path(folder) / f"calls-{number}").open("a") as calls:
        calls.write(f"{os.getpid()}\n")
    atomic_write(Path(folder) / f"out-{number}.json", json.dumps(number**2))
    if number in kills and not (Path(folder) / f"died-{number}").exists():
        (Path(folder) / f"died-{number}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if number < 0:
        raise ValueError("a number below 0")
    time.sleep(pause_s)
    return number**2


def analyze_and_die(item):
    """Analyze a stream; of one, the first time, end the worker between the outputs and the record."""
    result = streams.analyze_file(item)
    mark = item.place(".died")
    if item.file.stream.title == "s1" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return result
