"""Archives and containers that are bombs, cut, nested, deep or no files at all: one error, others go on."""

import gzip
import io
import os
import random
import subprocess
import sys
import tarfile
import zipfile
import zlib

import pytest

from chatlib.__main__ import main
from tests.attacks.commands import CHAT, attack, check_said, digest_of, mutate_bytes
from tests.places import ROOT

resource = pytest.importorskip("resource")  # not on Windows

ROW = b'{"message_id": "a", "message_type": "%d", "message": "x", "time_in_seconds": 1}\n'


def bomb(rng):
    packer = zlib.compressobj(wbits=31)
    block = rng.choice([bytes(2**20), b"[" * 2**20, b"{}," * 2**18, CHAT[:4096] * 256])
    start = rng.choice([b"", b"[", b'[{"message_id": "'])
    return packer.compress(start) + b"".join(packer.compress(block) for _ in range(200)) + packer.flush()


def nested(rng):
    data = CHAT
    for _ in range(rng.randrange(2, 40)):
        data = gzip.compress(data, 1)
    return data


def damaged(rng):
    return mutate_bytes(gzip.compress(CHAT) if rng.random() < 0.7 else CHAT, rng)


def deep(rng):
    return rng.choice([b"[", b'{"a":', b'[{"message":', b'{"a":[']) * rng.choice([300, 5_000, 200_000])


def many_kinds(rng):
    return b"".join(ROW % i for i in range(rng.choice([1_001, 5_000])))


def long_line(rng):
    return b'{"message_id": "' + b"x" * rng.choice([10**6, 2 * 10**7]) + rng.choice([b"", b'"}\n{}'])


def other_archive(rng):
    packed = io.BytesIO()
    if rng.random() < 0.5:
        with zipfile.ZipFile(packed, "w") as file:
            file.writestr("../../chat.json", CHAT)
    else:
        with tarfile.open(fileobj=packed, mode="w:gz") as file:
            file.addfile(tarfile.TarInfo("/chat.json"))
    return packed.getvalue()


def noise(rng):
    return rng.choice([b"", b"\x1f\x8b", b"\xff\xfe", b"\x00" * 999, b"SQLite format 3\x00"]) + rng.randbytes(
        rng.choice([0, 3, 5000])
    )


KINDS = (bomb, nested, damaged, deep, many_kinds, long_line, other_archive, noise)


@pytest.mark.parametrize("n", [9, pytest.param(100, marks=[pytest.mark.real, pytest.mark.timeout(1800)])])
def test_a_hostile_file_is_analyzed_or_one_error(tmp_path, capfd, n):
    refused = 0
    for seed in range(n):
        make = KINDS[seed % len(KINDS)]
        path = tmp_path / "chat.json"
        path.write_bytes(make(random.Random(seed)))
        out = tmp_path / "out"
        refused += attack(capfd, "analyze", path, "-o", out, case=f"{make.__name__} {seed}") != 0
    assert refused > n / 3


def make_what_is_no_file(folder):
    os.mkfifo(folder / "fifo.json")
    (folder / "loop.json").symlink_to(folder / "loop.json")
    (folder / "round").symlink_to(folder)
    (folder / "folder.json").mkdir()
    (folder / "no_rights.json").write_bytes(CHAT)
    (folder / "no_rights.json").chmod(0)


def test_of_a_folder_of_hostile_files_the_honest_one_is_stored(tmp_path):
    """By a process of its own, with little room beyond what the program itself takes."""
    for name in ("alone", "chats"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "aaaaaaaaaaa.json").write_bytes(CHAT)
    assert main(["import", str(tmp_path / "alone"), "--db", str(tmp_path / "alone.dbs")]) == 0
    for seed, make in enumerate((bomb, deep, many_kinds, other_archive, noise)):
        (tmp_path / "chats" / f"{make.__name__}.json").write_bytes(make(random.Random(seed)))
    make_what_is_no_file(tmp_path / "chats")
    (tmp_path / "chats" / "no_rights.json").unlink()  # root may read it
    usual = import_apart(tmp_path, "alone", "again.dbs", code=0)
    hostile = import_apart(tmp_path, "chats", "chats.dbs", code=1)
    assert hostile < usual + 2**20  # kilobytes: 1 GB more than a usual run at the most
    assert digest_of(tmp_path / "chats.dbs") == digest_of(tmp_path / "alone.dbs")


def import_apart(folder, chats, database, *, code):
    """Import in a process of its own; return its peak memory in kilobytes."""
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "chatlib", "import", chats, "--db", database],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            stdout=said,
            stderr=said,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30)),
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == code
    check_said((folder / "said").read_text(), "", code)
    return usage.ru_maxrss


def test_what_is_no_file_is_refused_by_name(tmp_path, capfd):
    make_what_is_no_file(tmp_path)
    for name in ("fifo.json", "loop.json", "folder.json", "round", "missing.json"):
        db = tmp_path / "new.dbs"
        attack(capfd, "analyze", tmp_path / name, "-o", tmp_path / "out", codes=(1, 2), case=name)
        if name not in ("round", "folder.json"):
            attack(capfd, "import", tmp_path / name, "--db", db, codes=(1, 2), case=name)
            attack(capfd, "collect", tmp_path / name, "--db", db, codes=(1, 2), case=name)
    assert not (tmp_path / "out").exists()
