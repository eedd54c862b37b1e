"""The chain on the committed sample, at its smallest setting: what the pages say can be relied on."""

import json
import re

import nbformat
import pytest

from chatlib.pipeline.settings import NOTEBOOKS
from chatlib.store import open_store

pytestmark = pytest.mark.timeout(900)  # five notebooks, on a machine that may be busy


@pytest.fixture(scope="module")
def run(sample_run):
    return sample_run


@pytest.fixture(scope="module")
def results(run):
    return {name: json.loads((run / "results" / f"{name}.json").read_text()) for name in NOTEBOOKS}


def test_all_chapters_are_there_and_say_simulated(run):
    for name in ("index", *NOTEBOOKS):
        page = (run / f"{name}.html").read_text(encoding="utf-8")
        assert "<strong>simulated</strong>" in page
        assert 'src="http' not in page and "<script src" not in page
        assert page.count("<script>") == 1  # our own, which the page's policy names
        assert len(page) < 5_000_000
    assert json.loads((run / "run.json").read_text())["name"] == "sample"


def test_every_chapter_shows_a_figure_and_no_complaint(run):
    for name in NOTEBOOKS:
        page = (run / f"{name}.html").read_text(encoding="utf-8")
        images = re.findall(r"<img[^>]*>", page)
        assert images and all('alt="Figure: ' in image for image in images)
        outputs = [
            o for cell in nbformat.read(run / f"{name}.ipynb", 4).cells for o in cell.get("outputs", [])
        ]
        assert [o["text"] for o in outputs if o.get("name") == "stderr"] == []


def test_the_database_holds_what_the_chapters_say(run, results):
    with open_store(run / "Db_file.dbs") as db:
        streams = db.load_streams()
    assert results["01_collect"]["headline"]["streams"] == 10
    assert results["02_update"]["headline"] == {
        "new streams": 4,
        "new messages": int(streams["n_messages"].sum()) - results["01_collect"]["headline"]["messages"],
    }
    assert results["02_update"]["new_messages_second_time"] == 0
    assert results["02_update"]["same_after_second_update"] is True
    assert results["01_collect"]["money"]


def test_donors_are_judged_beside_baselines_on_later_streams(results):
    models, headline = results["04_predict"]["models"], results["04_predict"]["headline"]
    prevalence = models["prior"]["prevalence"]
    assert 0.03 < prevalence < 0.06
    assert models["prior"]["pr_auc"] == pytest.approx(prevalence, abs=1e-3)
    assert models["prior"]["roc_auc"] == pytest.approx(0.5)
    assert len(models) >= 7 and headline["PR-AUC of the transformer"] == models["donor transformer"]["pr_auc"]
    # The truth beside the chat bounds what a model can honestly reach; more would be a leak.
    best = models["best possible (simulated)"]
    assert best["roc_auc"] > models["message count"]["roc_auc"] > 0.5
    for name, scores in models.items():
        assert scores["roc_auc"] < best["roc_auc"] + 0.05, name


def test_every_stream_has_its_analytics(run, results):
    files = sorted((run / "results" / "chat_analytics").glob("*.json"))
    assert len(files) == results["05_analyze"]["streams"] == 14
    one = json.loads(files[0].read_text(encoding="utf-8"))
    assert one["samples"] and one["highlights"] and one["platform"] == "www.youtube.com"
    assert one["totalActivity"] == sum(sample["activity"] for sample in one["samples"])
