"""The first page of a report says only what a file of the run says."""

from chatlib.pipeline.pages import render_page
from chatlib.pipeline.report import render_index
from chatlib.pipeline.settings import NOTEBOOKS, describe_run
from tests.pipeline.reading import Page, as_shown, find_broken_links, look_up
from tests.pipeline.stubs import GENERAL, make_step


def test_every_number_is_in_the_file_that_it_names(hand_run):
    run, record = hand_run
    page = Page(render_index(run, record).read_text())
    sources = [source for source, _ in page.parts]
    assert {"run.json#/data/messages", "run.json#/data/first_day", "run.json#/versions/numpy"} <= set(sources)
    for name in NOTEBOOKS:
        assert f"results/{name}.json#/headline/a~1b~0c <i>" in sources
        assert f"results/{name}.json#/answer/0" in sources
        assert f"run.json#/seconds/{name}" in sources
    for source, text in page.parts:
        assert text == as_shown(source, look_up(run, source)), source
    n_numbers = sum(tag == "dd" for tag, _ in page.tags)
    assert n_numbers == sum(1 for tag, attributes in page.tags if tag == "dd" and "data-from" in attributes)


def test_chapters_come_with_the_answers_first_with_figure_and_links_that_lead_somewhere(hand_run):
    run, record = hand_run
    for name in NOTEBOOKS:
        render_page(run, name)
    html = render_index(run, record).read_text()
    page = Page(html)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [(i["alt"], i["width"], i["height"]) for i in images] == [("Figure: a", "900", "300")] * 5
    assert find_broken_links(run, page) == []
    answers_first = ["05_analyze", "04_predict", "01_collect", "02_update", "03_pretrain"]
    assert sorted(NOTEBOOKS, key=lambda name: html.index(f">{name}: a title<")) == answers_first
    assert "What it is <em>about</em>." in html


def test_what_comes_from_chat_is_text(hand_run):
    html = render_index(*hand_run).read_text()
    assert "<i>" not in html and "<b>" not in html
    assert "C &amp; &lt;i&gt;D&lt;/i&gt;" in html and "&lt;b&gt;48:00" in html


def test_simulated_chat_is_called_so_and_real_chat_is_not(hand_run, tmp_path):
    run, record = hand_run
    assert render_index(run, record).read_text().count("<strong>simulated</strong>") == 2
    (run / "Db_file.dbs").unlink()
    real = {**record, "chats": "/somewhere/my chats", "data": {**record["data"], "simulated_streams": 0}}
    html = render_index(run, real).read_text()
    assert "simulated" not in html
    assert "Chat files of <bdi>my chats</bdi>" in html and "/somewhere" not in html
    assert "simulated" not in render_index(run, {**real, "chats": None}).read_text()


def test_an_unfinished_run_says_what_has_not_run(hand_run):
    run, record = hand_run
    steps = {name: make_step() for name in ("05_analyze", "01_collect")}
    record = describe_run(run, steps, chats=None, channels=None, general=GENERAL)
    assert list(record["seconds"]) == ["01_collect", "05_analyze"]
    html = render_index(run, record).read_text()
    assert "Not run: 02 update, 03 pretrain, 04 predict" in html
    assert "04_predict.html" not in html
