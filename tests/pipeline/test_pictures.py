"""The README's pictures come from a complete run's own files."""

import json
import shutil

import pytest
from PIL import Image

from chatlib.pipeline.committed import save_pictures
from chatlib.pipeline.report import render_index
from chatlib.pipeline.settings import NOTEBOOKS


@pytest.fixture
def run(hand_run):
    """The run made by hand, complete."""
    folder, record = hand_run
    (folder / "run.json").write_text(json.dumps(record))
    render_index(folder, record)
    return folder


def test_pictures_come_from_a_complete_run(run, tmp_path):
    pictures = save_pictures(run, tmp_path)
    assert [path.name for path in pictures][:5] == [f"{name}.png" for name in NOTEBOOKS]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium here")
def test_the_report_is_pictured_where_there_is_a_browser(run, tmp_path):
    with Image.open(save_pictures(run, tmp_path)[-1]) as picture:
        assert (picture.filename, picture.size) == (str(tmp_path / "report.png"), (1000, 1150))
        assert len(picture.getcolors(1 << 24)) > 10  # more than an empty page


def test_without_a_browser_the_picture_stays_as_it_is(run, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "report.png" not in {path.name for path in save_pictures(run, tmp_path)}
    assert "Chromium is not installed" in caplog.text
