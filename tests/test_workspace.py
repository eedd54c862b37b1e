"""Where things lie, and what is written there."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from chatlib import workspace
from chatlib.errors import MissingSource, ParameterError
from chatlib.workspace import PROJECT_DIR, open_workspace, progress_bar, resolve_path, set_seed


def test_a_relative_path_starts_at_the_project_wherever_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_path("data") == PROJECT_DIR / "data"
    assert resolve_path(tmp_path / "x") == tmp_path / "x"
    assert "~" not in str(resolve_path("~/x"))


def test_results_are_plain_json(tmp_path):
    ws = open_workspace(tmp_path / "run")
    ws.save_results(
        "01", {"n": np.int64(3), "x": float("nan"), "y": [np.float32(0.5)], "t": "草", "p": tmp_path}
    )
    assert ws.load_results("01") == {"n": 3, "x": None, "y": [0.5], "t": "草", "p": str(tmp_path)}
    with pytest.raises(MissingSource, match="02"):
        ws.load_results("02")
    assert json.loads((ws.results / "01.json").read_text(encoding="utf-8"))["t"] == "草"


def test_a_run_dir_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ParameterError, match="RUN_DIR"):
        open_workspace(tmp_path / "file" / "run")


def test_a_seed_gives_the_same_numbers():
    assert set_seed(3).random(4).tolist() == set_seed(3).random(4).tolist()
    assert set_seed(3).random() != set_seed(4).random()


def test_progress_is_seen_by_hand_and_silent_in_the_chain(monkeypatch):
    assert progress_bar([1]).disable  # no terminal here
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not progress_bar([1], file=sys.stderr).disable
    monkeypatch.setenv(workspace.HEADLESS, "1")
    assert progress_bar([1]).disable
