"""The README's pictures come from a complete run's own files."""

import json
import shutil

import pytest
from PIL import Image

from chatlib.errors import MissingSource
from chatlib.pipeline import render_index, save_outline, save_screenshot
from tests.plots.test_outline import RECORD, RESULTS


def test_the_outline_is_drawn_from_the_files_of_a_run(tmp_path):
    with pytest.raises(MissingSource, match="complete run"):
        save_outline(tmp_path, tmp_path)
    (tmp_path / "results").mkdir()
    for name, results in RESULTS.items():
        (tmp_path / "results" / f"{name}.json").write_text(json.dumps(results))
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(MissingSource, match="is older"):
        save_outline(tmp_path, tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    path = save_outline(tmp_path, tmp_path)
    assert path.name == "outline.png" and path.read_bytes().startswith(b"\x89PNG")


def test_the_report_is_pictured_where_there_is_a_browser(hand_run, tmp_path, monkeypatch, caplog):
    run, record = hand_run
    render_index(run, record)
    if shutil.which("chromium"):
        path = save_screenshot(run, tmp_path)
        with Image.open(path) as picture:
            assert (path.name, picture.size) == ("report.png", (1000, 1150))
            assert len(picture.getcolors(1 << 24)) > 10  # more than an empty page
    monkeypatch.setenv("PATH", str(tmp_path))
    assert save_screenshot(run, tmp_path) is None and "no Chromium here" in caplog.text
    (run / "run.json").unlink()
    with pytest.raises(MissingSource, match="complete run"):
        save_screenshot(run, tmp_path)


@pytest.mark.timeout(900)
def test_the_samples_results_hold_what_it_shows(sample_run, tmp_path):
    assert save_outline(sample_run, tmp_path).stat().st_size < 500_000
