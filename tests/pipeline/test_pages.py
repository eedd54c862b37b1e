"""The report: its first page says only what a file of the run says, and one file holds all of it."""

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from selenium.webdriver import ActionChains

from chatlib.__main__ import main
from chatlib.errors import MissingSource
from chatlib.pipeline.pages import render_bundle, render_index, render_page
from chatlib.pipeline.settings import NOTEBOOKS, describe_run
from chatlib.plots.analyze import plot_channel
from chatlib.plots.models import plot_plane
from chatlib.workspace import PROJECT_DIR
from tests.pipeline.reading import Page, as_shown, find_broken_links, look_up
from tests.pipeline.stubs import GENERAL, HACK, make_step, write_executed


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


def test_tables_scroll_inside_themselves_and_figures_fit(hand_run):
    run, _ = hand_run
    html = render_page(run, "03_pretrain").read_text()
    assert '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table>' in html
    assert '<picture>\n<img alt="Figure: a"' in html
    cells = f"<td>{'x' * 500}</td><td>{'y' * 499}</td>"
    write_executed(run / "01_collect.ipynb", output=f"<table><tr>{cells}</tr></table>")
    html = render_page(run, "01_collect").read_text()
    box = f'<td><div class="long" role="group" aria-label="Long text" tabindex="0">{"x" * 500}</div></td>'
    assert box in html and f"<td>{'y' * 499}</td>" in html


def test_a_table_of_many_columns_names_its_cells_for_cards(hand_run):
    run, _ = hand_run
    head, cells = "<th>a</th>" * 3 + '<th>b "c"</th>', "<td>1</td>" * 4
    table = f"<table><thead><tr>{head}</tr></thead><tbody><tr>{cells}</tr></tbody></table>"
    write_executed(run / "01_collect.ipynb", output=table)
    html = render_page(run, "01_collect").read_text()
    assert html.count('<td data-label="a">1') == 3 and '<td data-label="b c">1</td></tr>' in html


def test_a_printed_table_scrolls_and_printed_sentences_break(hand_run):
    run, _ = hand_run
    said = "4 read,  0 failed\n\n  streams    paid\n       20     327\n\nLeft out:\n   3 × a  b\n  <i>x\n"
    write_executed(run / "01_collect.ipynb", printed=said)
    html = render_page(run, "01_collect").read_text()
    box = '<span class="scroll" role="group" aria-label="Table" tabindex="0">'
    rows = f"{box}  streams    paid\n       20     327\n</span>"
    assert f"<pre>4 read,  0 failed\n\n{rows}\nLeft out:\n   3 × a  b\n  &lt;i&gt;x\n</pre>" in html


def test_a_page_leads_to_the_chapters_beside_it(hand_run):
    run, _ = hand_run
    assert [Page(render_page(run, name).read_text()).links()[-2:] for name in NOTEBOOKS[1:4]] == [
        ["01_collect.html", "03_pretrain.html"],
        ["02_update.html", "04_predict.html"],
        ["03_pretrain.html", "05_analyze.html"],
    ]


def test_a_table_links_its_file(hand_run):
    run, _ = hand_run
    saved = 'save_tables(ws.results / "05_tables", {"best": moments, "other": other.rows})'
    write_executed(run / "05_analyze.ipynb", code=f"{saved}\nmoments.head(5)")
    html = render_page(run, "05_analyze").read_text()
    assert html.count('<a href="results/05_tables/best.csv">best.csv</a>') == 1 and "other.csv" not in html


SHOWN = """return [...document.querySelectorAll('section.chapter')]
    .filter(section => section.checkVisibility()).map(section => section.id)"""


def test_its_links_lead_within_it_and_its_ids_are_its_own(hand_run, tmp_path):
    run, _ = hand_run
    path = render_bundle(run)
    assert path == run / "chat-report-mine.html"
    page = Page(path.read_text())
    assert find_broken_links(tmp_path / "nowhere", page) == []
    assert len(page.ids()) == len(set(page.ids())) > 10
    assert {"#index", *(f"#{name}" for name in NOTEBOOKS)} <= set(page.links())
    assert "#03_pretrain.A-part" in page.links()
    assert not [link for link in page.links() if link.endswith(".ipynb")]


def test_it_carries_the_numbers(hand_run):
    run, _ = hand_run
    page = Page(render_bundle(run).read_text())
    carried = {a["download"]: a["href"] for tag, a in page.tags if tag == "a" and "download" in a}
    assert set(carried) == {"run.json", *(f"{name}.json" for name in NOTEBOOKS)}
    content = json.loads(base64.b64decode(carried["04_predict.json"].split(",")[1]))
    assert content == json.loads((run / "results" / "04_predict.json").read_text())


def test_it_does_not_say_where_things_lie(hand_run):
    run, record = hand_run
    places = {"chats": str(Path.home() / "chats"), "parameters": {"RUN_DIR": f"{PROJECT_DIR}/data/runs/mine"}}
    (run / "run.json").write_text(json.dumps({**record, **places}))
    page = Page(render_bundle(run).read_text())
    (href,) = {a["href"] for tag, a in page.tags if a.get("download") == "run.json"}
    told = json.loads(base64.b64decode(href.split(",")[1]))
    assert (told["chats"], told["parameters"]) == ("~/chats", {"RUN_DIR": "data/runs/mine"})


def test_a_message_that_looks_like_an_anchor_stays_as_it_is(hand_run):
    run, _ = hand_run
    said = 'my id="x" href="#y" &lt;a href="01_collect.html"&gt;z&lt;/a&gt;'
    write_executed(run / "05_analyze.ipynb", output=f"<table><tr><td>{said}</td></tr></table>")
    assert f"<td>{said}</td>" in render_bundle(run).read_text()


def test_it_comes_from_a_complete_run_only(hand_run, capsys):
    run, _ = hand_run
    (run / "run.json").write_text('{"name": "of an older version"}')
    with pytest.raises(MissingSource, match="older version"):
        render_bundle(run)
    (run / "run.json").unlink()
    with pytest.raises(MissingSource, match=f"complete run, .*Finish it: `chatlib run --name {run.name}`"):
        render_bundle(run)
    assert main(["bundle", "--name", "no-such-run"]) == 2
    assert "got 'no-such-run'. " in capsys.readouterr().err
    assert main(["bundle", "--name", "../up"]) == 2


@pytest.mark.timeout(900)
def test_in_the_browser_one_chapter_shows_at_a_time(chromium, sample_run, tmp_path):
    run = tmp_path / "sample"
    shutil.copytree(sample_run, run, ignore=shutil.ignore_patterns("models", "*.dbs-*"))
    alone = tmp_path / "mailed.html"
    alone.write_bytes(render_bundle(run).read_bytes())
    shutil.rmtree(run)
    assert alone.stat().st_size < 20_000_000
    chromium.open(alone, width=390)
    run_script, find = chromium.driver.execute_script, chromium.driver.find_element
    assert run_script(SHOWN) == ["index"]
    for name in NOTEBOOKS:
        find("css selector", f'header a[href="#{name}"]').click()
        assert run_script(SHOWN) == [name]
        seen = chromium.measure()
        assert seen["width"] <= 390 and seen["wide"] == [] and seen["images"]
        assert (seen["broken"], seen["silent"], seen["scripts"]) == (0, 0, 1)
    find("css selector", '[id="05_analyze"] .contents a').click()
    assert run_script(SHOWN) == ["05_analyze"]
    find("css selector", 'header a[href="#index"]').click()
    find("css selector", "article h2 a").click()
    assert run_script(SHOWN) == ["05_analyze"]
    assert chromium.complaints() == [] and chromium.requests_elsewhere() == []


def test_a_plane_tells_the_message_at_the_pointer_as_text(chromium, hand_run):
    run, _ = hand_run
    planes = dict.fromkeys(("before", "after"), np.array([[0.0, 0], [10, 0], [10, 10]]))
    texts = ["first @ann!", f"</script>{HACK}", "草 last"]
    plane = plot_plane(planes, np.array([5.0, 65, 3600]), texts=texts)
    write_executed(run / "03_pretrain.ipynb", figure=plane._repr_mimebundle_())
    told = ["0:00:05 first @…", f"0:01:05 </script>{HACK}", "1:00:00 草 last"]
    for path, anchor in ((render_page(run, "03_pretrain"), ""), (render_bundle(run), "#03_pretrain")):
        chromium.open(path, width=1280, anchor=anchor)
        image = chromium.driver.find_elements("css selector", "img[alt*='as vectors']")[-1]
        (tip,) = chromium.driver.find_elements("css selector", ".tip")
        for place, text in zip([*find_points(plane, image.size), [0, -190]], [*told, ""], strict=True):
            ActionChains(chromium.driver, 0).move_to_element_with_offset(image, *place).perform()
            assert tip.text == text
        seen = chromium.measure()
        assert (seen["hacked"], seen["wide"], chromium.complaints()) == (False, [], [])
    chromium.open(path, width=390, anchor=anchor)
    size = chromium.driver.find_elements("css selector", "img[alt*='as vectors']")[-1].size
    assert size["height"] > 1.5 * size["width"], "on a phone its panels are stacked"


def test_a_figure_of_streams_opens_the_one_at_the_pointer(chromium, hand_run):
    run, _ = hand_run
    rows = {"video_id": ["a", "b"], "started_at": ["2026-01-02", None], "best_minute": 9, "chats_per_min": 3}
    known = pd.DataFrame({"video_id": ["b", "a"], "stream_id": [7, 4], "title": [HACK, None]})
    figure = plot_channel(pd.DataFrame(rows | {"users": [5, 6]}), known=known)
    write_executed(run / "05_analyze.ipynb", figure=figure._repr_mimebundle_())
    chromium.open(render_page(run, "05_analyze"), width=1280)
    pointer = ActionChains(chromium.driver, 0)
    image = chromium.driver.find_element("css selector", "main img")
    pointer.move_to_element_with_offset(image, -173, -20).perform()
    assert chromium.driver.find_element("css selector", ".tip").text == f"no date {HACK}"
    (run / "explorer.html").write_text("<title>x</title>")
    pointer.click().perform()
    assert chromium.driver.current_url.endswith("/explorer.html#7") and not chromium.measure()["hacked"]


def find_points(figure, size):
    """Return where the dots of the first panel are, in pixels from the middle of the picture of that size."""
    dots = figure.axes[0].collections[0]
    x, y = figure.transFigure.inverted().transform(figure.axes[0].transData.transform(dots.get_offsets())).T
    places = np.stack([(x - 0.5) * size["width"], (0.5 - y) * size["height"]], axis=1)
    return places.round().astype(int).tolist()
