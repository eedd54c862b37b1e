"""Chat that is hostile to pages, figures and spreadsheets is shown as the text that it is."""

import csv
import json

import pytest

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
    text = chromium.driver.execute_script("return document.body.textContent")
    assert "<script>window.hacked=1" in text
    titles = chromium.driver.execute_script(
        "return [...document.querySelectorAll('h1')].map(h => h.textContent)"
    )
    assert len(titles) == 1 and "mine" not in titles[0]
    height = chromium.driver.execute_script(
        "return Math.max(0, ...[...document.querySelectorAll('tr')].map(r => r.offsetHeight))"
    )
    assert height < 844  # a row is never longer than a phone
    links = chromium.driver.execute_script(
        "return [...document.links].filter(a => !a.download).map(a => a.protocol)"
    )
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
    risky = [
        cell
        for cell in cells
        if cell.startswith(FORMULA_STARTS) and not cell.lstrip("+-").replace(".", "", 1).isdigit()
    ]
    assert risky == []


def test_a_title_with_a_path_is_no_path(run):
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {f for f in files if f.startswith("results/chat_analytics/")} == {
        "results/chat_analytics/aaaaaaaaaaa.json"
    }
    assert {f.split("/")[0] for f in files if "passwd" in f or "etc" in f} == set()
