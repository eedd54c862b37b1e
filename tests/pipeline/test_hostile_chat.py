"""Chat that is hostile to pages, figures and spreadsheets is shown as the text that it is."""

import csv
import io
import json
import random
import re
import subprocess

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from chatlib.collect.files.formats import read_chat_file
from chatlib.pipeline.explorer import ExplorerSettings, load_timeline_data, write_explorer
from chatlib.pipeline.pages import render_index
from chatlib.pipeline.quick import ReadChat
from chatlib.pipeline.settings import describe_run
from chatlib.text import clean_text, remove_controls
from tests.pipeline import stubs
from tests.pipeline.stubs import HACK, HOSTILE

TITLE = f"../../etc/passwd {HACK} $x_1$ \u202etxt.exe =cmd()"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

pytestmark = pytest.mark.timeout(600)


def make_rows():
    """A quiet hour in which everybody says every hostile thing again and again, and some pay for it."""
    rows = []
    for number in range(330):
        text = HOSTILE[number % len(HOSTILE)]
        author = {"id": f"UC{number % 20:022d}", "name": HOSTILE[number % 20 % len(HOSTILE)][:200]}
        rows.append({
            "message_id": f"m{number}", "message_type": "text_message", "message": text, "author": author,
            "time_in_seconds": number * 10.0 + (number % 7),
        })  # fmt: skip
        if number % 50 == 0:
            money = {"text": "$5.00", "amount": 5.0, "currency": "USD"}
            rows.append(
                {**rows[-1], "message_id": f"p{number}", "message_type": "paid_message", "money": money}
            )
    return rows


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the run of notebooks 01 and 05 on the hostile chat."""
    chats, runs = tmp_path_factory.mktemp("chats"), tmp_path_factory.mktemp("runs")
    (chats / "aaaaaaaaaaa.json").write_text(json.dumps(make_rows()), encoding="utf-8")
    with (chats / "streams.csv").open("w", newline="", encoding="utf-8") as sheet:
        head = ["video_id", "title", "date", "channel_name"]
        csv.writer(sheet).writerows([head, ["aaaaaaaaaaa", TITLE, "2026-01-09", f"{HACK}\u202e$c$"]])
    chain = {"chats": chats, "runs_dir": runs, "overrides": ["05.ANONYMIZE=false"]}
    for notebook in ("01", "05"):
        stubs.run("hostile", only=notebook, **chain)
    return runs / "hostile"


@pytest.mark.parametrize("name", ["index", "explorer", "01_collect", "05_analyze"])
def test_pages_show_it_as_text(chromium, run, name):
    chromium.open(run / f"{name}.html")
    seen = chromium.measure()
    assert (seen["hacked"], seen["scripts"], seen["broken"]) == (False, 1, 0)
    assert seen["width"] <= 390 and seen["wide"] == []
    assert chromium.complaints() == [] and chromium.requests_elsewhere() == []
    script = chromium.driver.execute_script
    assert "<script>window.hacked=1" in script("return document.body.textContent")
    titles = script("return [...document.querySelectorAll('h1')].map(h => h.textContent)")
    assert len(titles) == 1 and "mine" not in titles[0]
    height = script("return Math.max(0, ...[...document.querySelectorAll('tr')].map(r => r.offsetHeight))")
    assert height < 844  # a row is never longer than a phone
    links = script("return [...document.links].filter(a => !a.download).map(a => a.protocol)")
    assert set(links) <= {"file:", "https:"}


def test_what_was_written_is_all_there(chromium, run):
    chromium.open(run / "05_analyze.html")
    text = chromium.driver.execute_script("return document.body.textContent")
    for hostile in HOSTILE:
        assert hostile[:20] in text, hostile[:60]


def test_a_spreadsheet_sees_no_formula(run):
    cells = []
    for path in run.rglob("*.csv"):
        with path.open(newline="", encoding="utf-8") as table:
            cells += [cell for row in csv.reader(table) for cell in row]
    assert any(cell.startswith("'=cmd") for cell in cells)
    risky = [cell for cell in cells if cell.startswith(FORMULA_STARTS)]
    assert all(cell.lstrip("+-").replace(".", "", 1).isdigit() for cell in risky), risky


def test_a_title_with_a_path_is_no_path(run):
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {f for f in files if f.startswith("results/chat_analytics/")} == {
        "results/chat_analytics/aaaaaaaaaaa.json"
    }
    assert {f.split("/")[0] for f in files if "passwd" in f or "etc" in f} == set()


# ------------------------------------------------------------------ thousands of them

ATOMS = [
    *HOSTILE[:9], HOSTILE[10], "'; DROP TABLE messages; --", "$(touch hacked)", "`touch hacked`", "__proto__",
    "'; touch hacked; '", "| touch hacked & touch hacked", "../../../etc/passwd", "C:\\..\\hosts", "a\x00nul",
    "\ud800 alone", "javascript:hacked=1", "<svg/onload=window.hacked=1>", "<!--", "]]>", "|M:mine |D:1",
    "</script><script>window.hacked=1</script>", "line\u2028line\u2029\r\n999  001      V     C", "</style>",
    "\u200f\u202e\u2067", "' onmouseover='window.hacked=1", '" autofocus onfocus="window.hacked=1', "%00%0d",
    "{{constructor.constructor('window.hacked=1')()}}", "\x1b[31mred",
]  # fmt: skip
TAGS = """
a b bdi button canvas details div h1 h2 h3 input label li main mark noscript ol option p pre q section select
script span summary table tbody td th thead tr ul
"""
READ_ALL = """
const seen = new Set(), told = new Set();
for (let second = 0; second < arguments[0] + 100; second += 100) {
  location.hash = `#1@${second}`;
  await new Promise((done) => addEventListener('hashchange', done, {once: true}));
  for (const line of document.querySelectorAll('.chat li')) {
    seen.add(JSON.stringify([line.querySelector('b').textContent, line.querySelector('bdi').textContent]));
  }
}
const canvas = document.querySelector('.timeline canvas'), box = canvas.getBoundingClientRect();
for (let x = 0; x < box.width; x += 5) {
  const at = {clientX: box.left + x, clientY: box.top + 40, bubbles: true};
  canvas.dispatchEvent(new PointerEvent('pointermove', at));
  told.add(document.querySelector('.readout').textContent);
}
const search = document.querySelector('.stream .search input'), counts = [];
for (const wanted of arguments[1]) {
  search.value = wanted;
  search.dispatchEvent(new Event('input'));
  const said = document.querySelector('.stream .search [role=status]').textContent;
  counts.push(Number(said.replace(/,|message.*/g, '')));
}
const tags = new Set([...document.querySelectorAll('main, main *')].map((e) => e.localName));
return [[...seen], [...told], counts, [...tags]];
"""


def make_flood(n):
    """Messages of hostile parts, each another, forty people a minute; and what each person is called."""
    rng = random.Random(n)
    rows = []
    for number in range(n):
        name = f"{ATOMS[number % 997 % len(ATOMS)][:300]} {number % 997}"
        author = {"id": f"UC{number % 997:022d}", "name": name}
        text = f"{' '.join(rng.choices(ATOMS, k=rng.randint(1, 3)))} {number}"
        row = {"message_id": f"{ATOMS[number % len(ATOMS)][:50]}{number}", "message_type": "text_message"}
        row |= {"message": text, "author": author, "time_in_seconds": number // 40 * 60 + number % 40}
        rows.append(row)
    return rows


@pytest.mark.parametrize("n", [400, pytest.param(10_000, marks=pytest.mark.real)])
def test_a_flood_of_it_is_text_everywhere(chromium, tmp_path, n):
    rows, run = make_flood(n), tmp_path / "run"
    (tmp_path / "aaaaaaaaaaa.json").write_text(json.dumps(rows))
    with (tmp_path / "streams.csv").open("w", newline="", encoding="utf-8") as sheet:
        csv.writer(sheet).writerows([["video_id", "title"], ["aaaaaaaaaaa", TITLE]])
    chat = ReadChat(read_chat_file(tmp_path / "aaaaaaaaaaa.json"))
    write_explorer(run, ExplorerSettings(anonymize=False), chat=chat)
    render_index(
        run, describe_run(run, {}, chats=None, channels=None, general={}, streams=chat.load_streams())
    )
    chromium.open(run / "index.html", width=1280)
    assert chromium.measure()["hacked"] is False and chromium.complaints() == []
    chromium.open(run / "explorer.html", width=390)
    WebDriverWait(chromium.driver, 20).until(lambda d: d.find_elements("css selector", ".chat li"))
    wanted = [atom for atom in map(clean_text, ATOMS) if "\n" not in atom]  # a field has one line
    seen, told, counts, tags = chromium.driver.execute_script(READ_ALL, rows[-1]["time_in_seconds"], wanted)
    written = {(remove_controls(clean_text(r["author"]["name"])), clean_text(r["message"])) for r in rows}
    assert {tuple(json.loads(line)) for line in seen} == written
    assert len(told) > 20 and min(counts) > 0 and set(tags) <= set(TAGS.split())
    page = chromium.measure()
    assert (page["hacked"], page["wide"], page["width"]) == (False, [], 390)
    assert chromium.complaints() == [] and chromium.requests_elsewhere() == []
    check_kit(json.loads(load_timeline_data(run, "s1"))["kit"], tmp_path)


def check_kit(kit, folder):
    """Assert that what goes to an editor is plain, and that its script starts yt-dlp and nothing else."""
    table, edl, script, chapters = kit.values()
    cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
    assert len(cells) > 10 and not [cell for cell in cells if cell.startswith(FORMULA_STARTS)]
    marker = r"\d{3}  001      V     C        [\d: ]+\n \|C:ResolveColorBlue \|M:\d+\. [^|\n]* \|D:\d+\n\n"
    assert re.fullmatch(rf"TITLE: aaaaaaaaaaa\nFCM: NON-DROP FRAME\n\n({marker})+", edl + "\n")
    assert re.fullmatch(r"([\d:]+ [^\n]+\n)+", chapters)
    assert not set("\x00\x1b\u2028\u2029\u202e\r") & set(table + edl + script + chapters)
    bin_dir, work = folder / "bin", folder / "work"
    bin_dir.mkdir()
    work.mkdir()
    (bin_dir / "yt-dlp").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {folder}/asked\n')
    (bin_dir / "yt-dlp").chmod(0o755)
    (work / "get.sh").write_text(script)
    subprocess.run(["/bin/sh", "get.sh"], cwd=work, env={"PATH": str(bin_dir)}, check=True, timeout=60)
    line = (
        r"--download-sections \*\d+-\d+ --force-keyframes-at-cuts -o aaaaaaaaaaa_\d\d\.%\(ext\)s "
        r"-- https://www\.youtube\.com/watch\?v=aaaaaaaaaaa\n"
    )
    assert re.fullmatch(f"({line})+", (folder / "asked").read_text())
    assert [path.name for path in work.iterdir()] == ["get.sh"]
