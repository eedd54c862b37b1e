"""Where things lie, and what is written there."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from chatlib import workspace
from chatlib.errors import ParameterError
from chatlib.workspace import (
    PROJECT_DIR,
    hide_paths,
    open_workspace,
    progress_bar,
    resolve_path,
    shorten_path,
)  # fmt: skip


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
    text = (ws.results / "01.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"n": 3, "x": None, "y": [0.5], "t": "草", "p": str(tmp_path)}
    assert "草" in text


def test_a_run_dir_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ParameterError, match="RUN_DIR"):
        open_workspace(tmp_path / "file" / "run")


def test_a_run_dir_that_nothing_is_written_into_is_not_made(tmp_path):
    assert open_workspace(tmp_path / "run").root == tmp_path / "run"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("value", "is_right"), [("abc", False), (True, False), (7, True)])
def test_a_parameter_that_papermill_gave_has_the_type_of_its_default(tmp_path, monkeypatch, value, is_right):
    cells = [
        "",
        '# a note\nRUN_DIR = "data"\nN = 3  # @param\nP = 0.5\nD = N + 1',
        f"# Parameters\nN = {value!r}\nP = 1\n",
    ]
    shell = SimpleNamespace(user_ns={"In": cells, "RUN_DIR": "data", "N": value, "P": 1, "D": "x"})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr("chatlib.tables.style_tables", lambda: None)
    if is_right:
        assert open_workspace(tmp_path).root == tmp_path
        return
    with pytest.raises(ParameterError, match=f"N takes a value of type int, such as 3, got {value!r}"):
        open_workspace(tmp_path)


def test_progress_is_seen_by_hand_and_silent_in_the_chain(monkeypatch):
    assert progress_bar([1]).disable  # no terminal here
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not progress_bar([1], file=sys.stderr).disable
    monkeypatch.setenv(workspace.HEADLESS, "1")
    assert progress_bar([1]).disable


def test_a_path_is_shortened_to_what_others_may_see(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert shorten_path(PROJECT_DIR / "data" / "runs" / "x") == "data/runs/x"
    assert shorten_path(tmp_path / "my chats") == "~/my chats"
    assert shorten_path("/media/ann/chats") == "…/chats"
    for path in (PROJECT_DIR / "data", tmp_path / "chats"):
        assert resolve_path(shorten_path(path)) == path


def test_texts_lose_the_folders_of_this_machine_and_nothing_else(monkeypatch, tmp_path):
    home = tmp_path / "ann"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    shown = {
        f"in {PROJECT_DIR}/data and {PROJECT_DIR}.": "in data and ..",
        f"see {home}/x, {home}: file://{home}/y": "see ~/x, ~: file://~/y",
        f"{home}nie, x{home}, https://x{home}": f"{home}nie, x{home}, https://x{home}",
        "/media/bob/chats/a.json": "…/chats/a.json",
    }
    hidden = hide_paths({"cells": list(shown), "image/png": str(home)}, Path("/media/bob/chats"))
    assert hidden == {"cells": list(shown.values()), "image/png": str(home)}


@pytest.mark.parametrize("home", ["/", None])
def test_without_a_home_folder_of_ones_own_none_is_shown(monkeypatch, home):
    def find():
        if home is None:
            raise RuntimeError("Could not determine home directory.")
        return Path(home)

    monkeypatch.setattr(Path, "home", find)
    assert shorten_path("/media/ann/chats") == "…/chats"
    assert hide_paths("of /media/ann/x, a / b") == "of /media/ann/x, a / b"
