"""The report as one file: nothing beside it is needed, and every link leads somewhere in it."""

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
from chatlib.pipeline.pages import render_page
from chatlib.pipeline.report import render_bundle
from chatlib.pipeline.settings import NOTEBOOKS
from chatlib.plots.analyze import plot_channel
from chatlib.plots.pretrain import plot_plane
from chatlib.workspace import PROJECT_DIR
from tests.pipeline.reading import Page, find_broken_links
from tests.pipeline.stubs import HACK, write_executed

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
    with pytest.raises(MissingSource, match="complete run"):
        render_bundle(run)
    assert main(["bundle", "--name", "no-such-run"]) == 1
    assert "complete run" in capsys.readouterr().err
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
    pointer.move_to_element_with_offset(image, 250, -20).perform()
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
