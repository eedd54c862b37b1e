"""The README's pictures come from a complete run's own files."""

import json

import pytest

from chatlib.errors import MissingSource
from chatlib.report import save_outline
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


@pytest.mark.timeout(900)
def test_the_samples_results_hold_what_it_shows(sample_run, tmp_path):
    assert save_outline(sample_run, tmp_path).stat().st_size < 500_000
