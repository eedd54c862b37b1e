"""Damaged copies of every kind of chat file: rows, counted rows, or one clear error; never another."""

import copy
import gzip
import json
import random
import re
from pathlib import Path

import pytest

from chatlib.collect.files.formats import complete_streams, read_chats
from chatlib.collect.files.importing import import_chats
from chatlib.errors import ChatlibError
from chatlib.records import Message
from chatlib.store import open_store
from tests.attacks.commands import mutate_bytes
from tests.collect.files import written

N = 400  # mutations of each small file
N_REAL = 10  # of each file of real chat
WRONG = (
    None, True, False, -1, 0, 2**70, -(2**64), 1e308, float("inf"), float("nan"), -0.0, "", "\x00", "NULL",
    "a\ud800b", "12", "-1:02:03", "1e999", "x" * 50, [], {}, [None], {"a": []}, [[[[]]]], {"simpleText": 5},
    {"runs": [{"emoji": {}}, 3]},
)  # fmt: skip
ODD = (
    "", '"', '""', "x" * 5000, "\x00", "\r", "-1:02:03", "99:99", "9999-99-99 99:99:99", "1e999", "nan",
    "=1+1", "2021-02-30", ",,,,", "\t", "\u202e", "\x1b[31m", "NULL", "[", "]", "# Start logging at", "0",
    "(" * 300,
)  # fmt: skip
TEXT, NUMBER = (str, type(None)), (int, type(None))
TYPES = (str, str, (float, type(None)), *[TEXT] * 8, NUMBER, NUMBER, TEXT, TEXT)


def iter_places(node):
    """Yield each (container, key) in parsed JSON."""
    for key in list(node) if type(node) is dict else range(len(node)) if type(node) is list else ():
        yield node, key
        yield from iter_places(node[key])


def mutate_structure(data, rng):
    """Return the file with some keys missing, values of the wrong type, or values in other places."""
    try:
        content, lines = json.loads(data), False
    except UnicodeDecodeError:
        return mutate_bytes(data, rng)
    except ValueError:
        try:
            content, lines = [json.loads(line) for line in data.splitlines()], True
        except ValueError:
            return mutate_text(data, rng)
    for _ in range(rng.randint(1, 8)):
        places = list(iter_places(content))
        if not places:
            break
        node, key = rng.choice(places)
        action = rng.random()
        if action < 0.3:
            del node[key]
        elif action < 0.8:
            node[key] = copy.deepcopy(rng.choice(WRONG))
        elif action < 0.9:
            other, there = rng.choice(places)
            node[key] = json.loads(json.dumps(other[there])) if there in keys_of(other) else None
        elif type(node) is dict:
            node[f"k{rng.randrange(99)}"] = node.pop(key)
    if lines and type(content) is list:
        return "\n".join(map(json.dumps, content)).encode()
    return json.dumps(content).encode()


def mutate_text(data, rng):
    """Return lines of text with some lost, doubled, in other places, or with odd pieces among them."""
    lines = data.decode().split("\n")
    for _ in range(rng.randint(1, 8)):
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        action = rng.random()
        if action < 0.3:
            cells = re.split(r"([,;\t:|\[\]<>()])", lines[i])
            cells[rng.randrange(len(cells))] = rng.choice(ODD)
            lines[i] = "".join(cells)
        elif action < 0.5:
            lines[i], lines[j] = lines[j], lines[i]
        elif action < 0.7:
            lines.insert(i, rng.choice([lines[j], "", rng.choice(ODD), lines[j][: len(lines[j]) // 2]]))
        elif len(lines) > 1:
            del lines[i]
    return "\n".join(lines).encode()


def keys_of(node):
    return node if type(node) is dict else range(len(node))


def mutate(data, rng):
    mutated = mutate_structure(data, rng) if rng.random() < 0.6 else mutate_bytes(data, rng)
    if rng.random() < 0.2 and mutated:
        mutated = gzip.compress(mutated, 1)
        mutated = mutate_bytes(mutated, rng) if rng.random() < 0.7 else mutated
    return mutated


def check_rows(rows):
    for row in rows:
        assert type(row) is Message
        assert all(isinstance(value, type_) for value, type_ in zip(row, TYPES, strict=True)), row
        assert row[0] and row[1]
        assert row[2] is None or abs(row[2]) <= 1e8


def read_mutations(name, data, n, db, *, mutate=mutate):
    """Return how many of the mutations could be read, and how many were an error."""
    n_read = n_failed = 0
    for seed in range(n):
        mutated = mutate(data, random.Random(f"{name} {seed}"))
        try:
            chats = read_chats(mutated, file_name=name, row={})
        except ChatlibError as error:
            assert str(error)
            n_failed += 1
            continue
        for chat in complete_streams(chats, path=Path(name), rows={}):
            check_rows(chat.messages)
            db.save_chat(chat.stream._replace(video_id=f"{name} {seed}"), chat.messages)
        n_read += 1
    return n_read, n_failed


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    with open_store(tmp_path_factory.mktemp("mutations") / "chat.dbs", create=True) as store:
        store.connection.execute("PRAGMA synchronous = OFF")
        yield store


def test_mutations_of_every_format(files, db):
    for name, data in files.items():
        n_read, n_failed = read_mutations(name, data, N, db)
        assert n_read > N / 10 and n_failed > N / 20, name  # or the mutations were no test


@pytest.mark.parametrize("n", [40, pytest.param(3000, marks=pytest.mark.real)])
@pytest.mark.parametrize("name", written.FILES)
def test_mutations_of_what_other_programs_write(name, db, n):
    chat = written.CHAT if n < 1000 else written.CHAT * (300 if name.endswith("parquet") else 3)
    n_read, _ = read_mutations(name, written.FILES[name][0](chat), n, db)
    assert n_read > n / 300


def test_mutations_of_real_chat(shared, db):
    for path in [*shared.glob("youtube/[ci]*/*"), *shared.glob("twitch/*.gz")]:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        read_mutations(path.name, data, N_REAL if len(data) < 500_000 else 2, db)


def test_mutations_of_a_database_of_the_first_version(tmp_path, make_old_database, db):
    whole = make_old_database(tmp_path / "old.dbs").read_bytes()
    states = set()
    for seed in range(150):
        rng = random.Random(seed)
        path = tmp_path / "mutated.dbs"
        path.write_bytes(whole[:16] + mutate_bytes(whole[16:], rng))
        report = import_chats(db, [path])
        assert all(report.errors.values())
        states.update(file.state for file in report.files)
    assert states == {"imported", "known", "failed"}
