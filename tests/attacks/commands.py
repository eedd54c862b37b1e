"""Damaged bytes, running a command against them, and what must hold of every outcome."""

import json
import time

from chatlib.__main__ import main
from chatlib.store import open_store

CHAT = json.dumps(
    [
        {"message_id": f"m{i}", "message_type": "text_message", "message": f"hi {i}", "time_in_seconds": i,
         "author": {"id": f"UC{i % 3}", "name": f"Name {i % 3}"}}
        for i in range(50)
    ]
).encode()  # fmt: skip


def mutate_bytes(data, rng):
    """Return the bytes cut short, some of them changed, lost, or repeated elsewhere."""
    mutated = bytearray(data)
    action, place = rng.random(), rng.randrange(len(data))
    if action < 0.3:
        del mutated[place:]
    elif action < 0.7:
        for _ in range(rng.randint(1, 20)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
    elif action < 0.85:
        del mutated[place : place + rng.randint(1, 60)]
    else:
        source = rng.randrange(len(data))
        mutated[place:place] = mutated[source : source + rng.randint(1, 200)]
    return bytes(mutated)


def attack(capfd, *arguments, codes=(0, 1, 2), case=None):
    """Run a command here; return its exit code.

    It must take less than ten seconds of work, and say an error in one line.
    """
    capfd.readouterr()
    started, worked = time.monotonic(), time.process_time()
    code = main([*map(str, arguments)])
    assert time.process_time() - worked < 10 and time.monotonic() - started < 300, case
    said = capfd.readouterr()
    assert code in codes, (case, code, said)
    check_said(said.out, said.err, code, case=case)
    return code


def check_said(out, err, code, *, case=None):
    assert "Traceback" not in out + err and "should not have happened" not in err, (case, err)
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(out + err), (case, out, err)
    if code:
        errors = [line for line in err.split("\n") if line.startswith("chatlib: ")]
        assert len(errors) <= 1 and (err.strip() or out.strip()), (case, err)


def digest_of(path):
    with open_store(path, read_only=True) as db:
        return db.digest()
