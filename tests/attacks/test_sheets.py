"""Hostile sheets, in ODS and CSV: channels, or one error; no database is left by a sheet that is refused."""

import random
import zipfile

import pytest

from chatlib.__main__ import main
from chatlib.collect import collection
from chatlib.collect.lists import save_stream_list
from chatlib.errors import SourceError
from chatlib.store import open_store
from tests.attacks.commands import CHAT, attack, digest_of

CELL = '<table:table-cell office:value-type="string"><text:p>%s</text:p></table:table-cell>'
TEXTS = (
    "=WEBSERVICE(A1)", "\x1b[31m@x", "\u202e@x", "@ann", "https://www.youtube.com/@ann", "../../etc/passwd",
    "&xxe;", "x" * 50_000, "http://[", "=1+1", "\ud800", "file:///etc/passwd", "", "&#0;", "<a><b></a>",
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def stop(*_):
        raise SourceError("The sheet was read.")

    monkeypatch.setattr(collection, "collect_channels", stop)


def make_ods(path, rng):
    """A sheet with a row of our own, damaged in one of several ways."""
    save_stream_list(path, [])
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    repeat = (
        f'table:number-{rng.choice(["rows", "columns"])}-repeated="{rng.choice([3, 10**4, 10**9, -1, "x"])}"'
    )
    cells = "".join(CELL % rng.choice(TEXTS) for _ in range(rng.randrange(4)))
    cells = cells.encode("utf-8", "replace").decode()
    cells = cells.replace("table-cell ", f"table-cell {repeat} ", 1)
    row = f"<table:table-row {repeat}>{cells}</table:table-row>"
    doctype = '<!DOCTYPE x [<!ENTITY xxe SYSTEM "file:///etc/passwd"><!ENTITY b "&b;&b;">]>'
    content = parts["content.xml"].decode().replace("</table:table>", row + "</table:table>", 1)
    content = content.replace("?>", "?>" + rng.choice(["", "", doctype]), 1).encode()
    match rng.choice(["row", "row", "row", "cut", "flip", "blanks", "lost", "zip"]):
        case "cut":
            content = content[: rng.randrange(len(content))]
        case "flip":
            content = bytearray(content)
            for _ in range(20):
                content[rng.randrange(len(content))] = rng.randrange(256)
        case "blanks":
            content += b" " * 120_000_000
        case "lost":
            del parts["content.xml"]
        case "zip":
            data = bytearray(path.read_bytes())
            for _ in range(rng.choice([1, 9, 99])):
                data[rng.randrange(len(data))] = rng.randrange(256)
            path.write_bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
            return
    if "content.xml" in parts:
        parts["content.xml"] = bytes(content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in parts.items():
            file.writestr(name, data)


def make_csv(path, rng):
    lines = [rng.choice(",;\t").join(rng.choices(TEXTS, k=rng.choice([1, 2, 3, 9]))) for _ in range(5)]
    lines += rng.choice([[], ['"' + "x" * 200_000], ["," * 10**6], ["\x00" * 99], ["a\rb"]])
    path.write_bytes("\n".join(lines).encode(rng.choice(["utf-8", "utf-16", "cp932"]), "replace"))


@pytest.mark.parametrize("n", [20, pytest.param(100, marks=[pytest.mark.real, pytest.mark.timeout(1800)])])
def test_a_hostile_sheet_is_one_error(tmp_path, capfd, n):
    assert main(["import", str(write_chat(tmp_path)), "--db", str(tmp_path / "kept.dbs")]) == 0
    kept = digest_of(tmp_path / "kept.dbs")
    for seed in range(n):
        make, name = ((make_ods, "c.ods"), (make_csv, "c.csv"))[seed % 3 == 2]
        make(tmp_path / name, random.Random(seed))
        database = tmp_path / ("new.dbs", "kept.dbs")[seed % 2]
        attack(capfd, "collect", tmp_path / name, "--db", database, codes=(1, 2), case=f"{name} {seed}")
        assert digest_of(tmp_path / "kept.dbs") == kept, seed
        if (tmp_path / "new.dbs").exists():  # the sheet could be read, and named a channel
            assert count_stored(tmp_path / "new.dbs") == 0, seed
            (tmp_path / "new.dbs").unlink()
        (tmp_path / name).unlink()


def write_chat(folder):
    (folder / "chat.json").write_bytes(CHAT)
    return folder / "chat.json"


def count_stored(path):
    with open_store(path, read_only=True) as db:
        return len(db.load_streams()) + len(db.load_channels())
