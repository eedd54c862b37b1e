"""The front page and the explorer in Chromium: what plays by mouse and keyboard, and hostile chat in it."""

import json

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from chatlib.pipeline.explorer import ExplorerSettings, load_timeline_data, write_explorer
from chatlib.pipeline.pages import render_bundle, render_index
from chatlib.records import Message, Stream
from chatlib.store import open_store
from tests.pipeline.stubs import HACK, HOSTILE, make_run

BURST_S, HOUR_S = 1800, 3600
TITLE = f"A quiet hour {HACK}"


def make_messages(prefix, texts):
    """An hour with a message every forty seconds, and a burst of forty people in its middle."""
    rows = []
    for number in range(90):
        text, who = texts[number % len(texts)], number % 30
        at = number * 40.0 + 1
        rows.append(Message(f"{prefix}{number}", "text_message", at, f"UC{who:022d}", f"ann{who}", text))
    for number in range(160):
        at, who = BURST_S + number / 16, number % 40
        rows.append(Message(f"{prefix}b{number}", "text_message", at, f"b{who}", f"bob{who}", "what a goal"))
    paid = {"amount_text": "$5.00", "amount": "5.0", "currency": "USD"}
    said = "take my money @carla"
    rows.append(Message(f"{prefix}p", "paid_message", BURST_S + 3.0, "b1", "bob1", said, **paid))
    return rows


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a run made by hand, of a stream on Twitch, one on YouTube, and one without times."""
    run = tmp_path_factory.mktemp("explorer") / "mine"
    record = make_run(run)
    calm = ["hello there", "what is this song", "gg", "nice one LUL"]
    about = {"duration_s": HOUR_S, "channel_name": "C & <i>D</i>", "started_at": "2026-02-01T00:00:00+00:00"}
    twitch = Stream("twitch", "77", "https://www.twitch.tv/videos/77", "A Twitch stream", **about)
    about["started_at"] = "2026-02-02T00:00:00+00:00"
    youtube = Stream("youtube", "hostile", "https://www.youtube.com/watch?v=hostile", TITLE, **about)
    with open_store(run / "Db_file.dbs") as db:
        db.save_chat(twitch, make_messages("t", calm))
        db.save_chat(youtube, make_messages("y", HOSTILE))
        facts, _ = write_explorer(run, ExplorerSettings(stream="77"), chat=db)
    predicted = {
        "n_named": 100,
        "n_pay_of_named": 13,
        "n_pay_by_lot": 0.7,
        "named_curve": [*range(1, 14), *[13] * 187],
    }
    (run / "results" / "04_predict.json").write_text(json.dumps(predicted))
    render_index(run, record)
    return run, record, {row["title"]: row["stream"] for row in facts["streams"]}


@pytest.fixture
def script(chromium):
    return chromium.driver.execute_script


def click(chromium, selector, text=None):
    """Click the element, or the one of those with this text in it, as a person would."""
    found = chromium.driver.find_elements("css selector", selector)
    element = next(e for e in found if text is None or text in e.text)
    chromium.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def press(chromium, selector, *keys):
    chromium.driver.find_element("css selector", selector).send_keys(*keys)


def wait_for_chat(chromium):
    ready = "return document.querySelectorAll('.chat li').length > 0"
    WebDriverWait(chromium.driver, 120, poll_frequency=0.02).until(lambda d: d.execute_script(ready))


PAINTED = """
const [canvas] = arguments, pen = canvas.getContext('2d');
const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
return new Set(new Uint32Array(pixels.buffer)).size;
"""
POINT_AT = """
const canvas = document.querySelector('.timeline canvas'), box = canvas.getBoundingClientRect();
canvas.dispatchEvent(new PointerEvent('pointermove',
    {clientX: box.left + box.width * arguments[0], clientY: box.top + 40, bubbles: true}));
"""
# A link that opens another page must not do so here: what it would open is kept.
KEEP_LINKS = """
window.opened = [];
document.addEventListener('click', e => {
  const link = e.target.closest('a[target=_blank]');
  if (link) { e.preventDefault(); window.opened.push(link.href); }
}, true);
"""


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False), (1280, True)])
@pytest.mark.parametrize("name", ["index", "explorer"])
def test_pages_are_whole_and_alive(chromium, script, run, name, width, dark):
    chromium.open(run[0] / f"{name}.html", width=width, dark=dark)
    if name == "explorer":
        wait_for_chat(chromium)
    canvas = chromium.driver.find_element("css selector", ".timeline canvas")
    script("return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert script(PAINTED, canvas) > 5
    seen = chromium.measure()
    assert (seen["width"], seen["wide"], seen["hacked"], seen["broken"]) == (width, [], False, 0)
    assert chromium.complaints() == [] and chromium.requests_elsewhere() == []


def test_a_click_opens_the_recording_at_that_second(chromium, script, run):
    chromium.open(run[0] / "index.html", width=1280)
    script(KEEP_LINKS)
    canvas = chromium.driver.find_element("css selector", ".timeline canvas")
    script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    click_at = """
        const [canvas, share] = arguments, box = canvas.getBoundingClientRect();
        const x = 46 + (box.width - 56) * share;
        for (const type of ['pointerdown', 'pointerup']) canvas.dispatchEvent(new PointerEvent(type,
            {clientX: box.left + x, clientY: box.top + 50, pointerId: 1, bubbles: true}));
    """
    script(click_at, canvas, 0.5001)
    assert script("return window.opened") == ["https://www.twitch.tv/videos/77?t=0h30m0s"]
    assert "0:30:00" in chromium.driver.find_element("css selector", ".readout").text


def test_a_finger_opens_the_recording_and_two_fingers_zoom(chromium, script, run):
    def touch(kind, *points):
        at = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        chromium.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    chromium.open(run[0] / "index.html", width=390)
    script(KEEP_LINKS)
    canvas = chromium.driver.find_element("css selector", ".timeline canvas")
    script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    box = script("const b = arguments[0].getBoundingClientRect(); return [b.left, b.top, b.width]", canvas)
    x, y = box[0] + 46 + (box[2] - 56) / 2, box[1] + 60
    touch("touchStart", (x, y))
    touch("touchEnd")
    (opened,) = script("return window.opened")
    assert opened.startswith("https://www.twitch.tv/videos/77?t=0h29m") or "t=0h30m" in opened
    whole = script("return arguments[0].toDataURL()", canvas)
    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 80, y), (x + 80, y))
    touch("touchEnd")
    script("return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert script("return arguments[0].toDataURL()", canvas) != whole
    assert len(script("return window.opened")) == 1


def test_the_keyboard_reaches_every_second(chromium, script, run):
    from selenium.webdriver.common.keys import Keys

    chromium.open(run[0] / "index.html", width=1280)
    script(KEEP_LINKS)
    value = "return document.querySelector('.timeline canvas').getAttribute('aria-valuenow')"
    press(chromium, ".timeline canvas", Keys.HOME, Keys.ARROW_RIGHT)
    assert script(value) == "36"  # a hundredth of what is in view
    press(chromium, ".timeline canvas", "+", "+", Keys.ARROW_RIGHT)
    assert script(value) == "45"
    press(chromium, ".timeline canvas", Keys.END, Keys.HOME, Keys.ARROW_RIGHT, Keys.ENTER)
    assert script("return window.opened") == ["https://www.twitch.tv/videos/77?t=0h0m9s"]
    first = chromium.driver.find_element("css selector", ".moments button")
    first.send_keys(Keys.ENTER)
    at = int(script(value))
    assert abs(at - BURST_S) < 40 and "what a goal" in first.text


def test_the_table_of_streams_sorts_and_is_searched(chromium, script, run):
    chromium.open(run[0] / "index.html", width=1280)
    titles = """return [...document.querySelectorAll('.streams tbody tr')].filter(r => r.checkVisibility())
        .map(r => r.cells[1].textContent.slice(0, 8))"""
    assert script(titles) == ["A quiet ", "A Twitch"]
    click(chromium, ".streams th button", "date")
    assert script(titles) == ["A Twitch", "A quiet "]
    press(chromium, ".search input", "QUIET")
    assert script(titles) == ["A quiet "]
    click(chromium, ".streams a", "A quiet")
    wait_for_chat(chromium)  # the first click leads to the stream, and the second to a moment
    click(chromium, ".moments button", "0:29:4")
    assert "Around 0:29:4" in script("return document.querySelector('.stream').textContent")


def test_the_explorer_shows_what_was_written_around_a_second(chromium, script, run):
    stream = run[2]["A Twitch stream"]
    chromium.open(run[0] / "explorer.html", width=1280, anchor=f"#{stream}@{BURST_S}")
    wait_for_chat(chromium)
    assert script("return document.querySelector('.chat .here').textContent").startswith("0:30:00viewer")
    assert (
        script("return document.querySelectorAll('.chat li').length") == 145
    )  # all before it, and a hundred after
    paid = script("return [...document.querySelectorAll('.chat .paid')].map(e => e.textContent)")
    assert len(paid) == 1 and "$5.00" in paid[0] and "take my money @…" in paid[0]
    told = script("return document.body.textContent")
    assert "bob1" not in told and "ann1" not in told and "carla" not in told
    press(chromium, ".stream .search input", "THIS SONG")
    assert "23 messages" in script("return document.querySelector('.stream .search').textContent")
    assert script("return document.querySelector('.timeline select').value") == "extra"
    click(chromium, ".words button", "song")
    assert script("return document.querySelector('.stream .search input').value") == "song"
    watch = script("return document.querySelector('.readout a').href")
    assert watch == "https://www.twitch.tv/videos/77?t=0h30m0s"
    told = {
        36: "0 messages by 0 people in 5 s · watch",
        43: "1 message by 1 person in 5 s · what is",
    }
    for second, said in told.items():
        script(f"location.hash = '#{stream}@{second}'")
        WebDriverWait(chromium.driver, 20).until(
            lambda d, said=said: said in d.find_element("tag name", "body").text
        )


def test_naming_more_people_shows_how_many_pay(chromium, script, run):
    from selenium.webdriver.common.keys import Keys

    chromium.open(run[0] / "index.html", width=390)
    said = "return document.querySelector('.curve output').textContent"
    assert script(said) == "Name 100: 13 of them pay; by lot, 0.7."
    press(chromium, ".curve input", Keys.HOME, *[Keys.ARROW_RIGHT] * 4)
    assert script(said) == "Name 5: 5 of them pay; by lot, 0.035."


def test_without_scripts_all_is_told(chromium, run):
    chromium.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chromium.open(run[0] / "index.html", width=1280)
        page = chromium.driver.find_element("css selector", "main")
        assert page.find_element("css selector", ".timeline img").is_displayed()
        assert "The best moment" in page.text and "A Twitch stream" in page.text and "0:29:4" in page.text
        chromium.open(run[0] / "explorer.html", width=1280)
        assert "need scripts" in chromium.driver.find_element("css selector", "main").text
    finally:
        chromium.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_one_file_carries_all_of_it(chromium, script, run, tmp_path):
    path = tmp_path / "mailed.html"
    path.write_bytes(render_bundle(run[0]).read_bytes())
    chromium.open(path, width=390)
    click(chromium, ".streams a", "A Twitch")
    wait_for_chat(chromium)
    assert script("return document.querySelector('.stream h2').textContent") == "A Twitch stream"
    assert chromium.complaints() == [] and chromium.measure()["hacked"] is False
    assert chromium.requests_elsewhere() == []


def test_of_a_large_channel_it_carries_no_chat(chromium, script, run, tmp_path, monkeypatch):
    monkeypatch.setattr("chatlib.pipeline.pages._MOST_CHAT_BYTES", 1000)
    path = tmp_path / "mailed.html"
    path.write_bytes(render_bundle(run[0]).read_bytes())
    chromium.open(path, width=1280)
    click(chromium, ".streams a", "A Twitch")
    assert chromium.driver.find_element("css selector", ".stream canvas").is_displayed()
    assert "in the run's folder" in script("return document.querySelector('.stream').textContent")
    assert chromium.complaints() == []


def test_data_files_are_one_call_with_plain_data(run):
    for path in (run[0] / "explorer").glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f'chatReport.receive("{path.stem}",') and text.endswith(")\n")
        json.loads(load_timeline_data(run[0], path.stem))
