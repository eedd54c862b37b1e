"""The chain, on notebooks of a few lines: what goes through, what is refused, told, and made again."""

import json
import shlex
import shutil
import tomllib

import nbformat
import pytest

from chatlib.__main__ import _build_parser
from chatlib.errors import NotEnoughData, ParameterError, PipelineError
from chatlib.pipeline.committed import set_home
from chatlib.pipeline.notebooks import parse_override, read_parameters
from chatlib.pipeline.pages import render_bundle
from chatlib.pipeline.settings import NOTEBOOKS, NOTEBOOKS_DIR, format_command
from chatlib.workspace import PROJECT_DIR
from tests.collect.youtube.site.videos import make_video, text_action
from tests.pipeline import stubs
from tests.pipeline.reading import Page, find_broken_links
from tests.pipeline.stubs import RESULTS, run, write_notebook
from tests.places import ROOT

PARAMETERS = 'RUN_DIR = "data"\nSEED = 0\nSHARE = 0.5\nFLAG = True\nSOURCE = "sample"\nCHATS = ""'


def test_a_run_leaves_a_report_that_is_complete_and_names_no_folder_of_this_machine(chain, tmp_path):
    chats = tmp_path / "ann" / "chats"
    chats.mkdir(parents=True)
    for name in NOTEBOOKS:
        code = RESULTS.format(name=name) + "print(RUN_DIR, CHATS)"
        write_notebook(chain["notebooks_dir"] / f"{name}.ipynb", parameters=PARAMETERS, code=code)
    index = run("first", chats=chats, overrides=["03.SEED=7", "4.SHARE=1", "05.FLAG=false"], **chain)
    folder = index.parent
    assert {p.name for p in folder.iterdir()} >= {
        "index.html", "run.json", *(f"{n}.ipynb" for n in NOTEBOOKS), *(f"{n}.html" for n in NOTEBOOKS),
    }  # fmt: skip
    told = json.loads((folder / "run.json").read_text())
    assert told["parameters"]["03_pretrain"]["SEED"] == 7
    assert told["parameters"]["04_predict"]["SHARE"] == 1.0
    assert told["parameters"]["05_analyze"]["FLAG"] is False
    assert set(told["seconds"]) == set(NOTEBOOKS)
    assert told["versions"]["numpy"]
    assert json.loads((folder / "results" / "03_pretrain.json").read_text())["headline"]["seed"] == 7
    page = (folder / "01_collect.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page + index.read_text()
    assert "https://" not in page
    assert "&lt;b&gt;" in index.read_text()

    assert told["chats"] == told["parameters"]["01_collect"]["CHATS"] == "…/chats"
    assert told["command"].startswith(".venv/bin/chatlib run --name first --chats '…/chats'")
    render_bundle(folder)
    for path in folder.iterdir():
        if path.suffix in {".html", ".json", ".ipynb"}:
            assert str(tmp_path) not in path.read_text(), path


def test_the_truth_beside_a_simulated_folder_is_handed_on(chain, chapters, tmp_path):
    parameters = 'RUN_DIR = "data"\nSOURCE = "sample"\nCHATS = ""\nTRUTH = "the sample\'s"'
    write_notebook(chain["notebooks_dir"] / "04_predict.ipynb", parameters=parameters)
    (tmp_path / "mine" / "first").mkdir(parents=True)
    run("a", chats=tmp_path / "mine" / "first", **chain)
    assert "TRUTH" not in chapters.given["04_predict"]
    (tmp_path / "mine" / "truth.csv.gz").touch()
    run("b", chats=tmp_path / "mine" / "first", **chain)
    assert chapters.given["04_predict"]["TRUTH"] == str(tmp_path / "mine" / "truth.csv.gz")
    record = (chain["runs_dir"] / "b" / "run.json").read_text()
    assert "…/truth.csv.gz" in record and str(tmp_path) not in record and " -p " not in record


def test_a_failing_cell_is_named_and_its_notebook_is_kept(chain, tmp_path):
    (tmp_path / "ann").mkdir()
    code = "# why\nvalue = RUN_DIR, CHATS\nprint(value)\nraise ValueError(f'bad luck with {CHATS}')"
    write_notebook(chain["notebooks_dir"] / "01_collect.ipynb", parameters=PARAMETERS, code=code)
    with pytest.raises(PipelineError, match=r"01_collect, cell \[3\] `value = .*`: ValueError: bad luck"):
        run("r", chats=tmp_path / "ann", **chain)
    executed = (chain["runs_dir"] / "r" / "01_collect.ipynb").read_text()
    assert "bad luck with …/ann" in executed and str(tmp_path) not in executed
    assert not (chain["runs_dir"] / "r" / "run.json").exists()


def test_other_parameters_start_again_where_they_matter(chain, chapters):
    chapters.inside, chapters.error = "04_predict", PipelineError
    for seed in (1, 2):
        with pytest.raises(PipelineError, match="1 / 0"):
            run("r", overrides=[f"02.SEED={seed}"], **chain)
    steps = json.loads((chain["runs_dir"] / "r" / "steps.json").read_text())
    assert steps["02_update"]["parameters"]["SEED"] == 2
    assert set(steps) == {*NOTEBOOKS} - {"04_predict"}
    assert chapters.ran == [*NOTEBOOKS, *NOTEBOOKS[1:]]


def test_what_does_not_need_the_failed_notebook_runs_all_the_same(chain, chapters):
    chapters.inside, chapters.error = "03_pretrain", PipelineError
    with pytest.raises(PipelineError, match=r"1 / 0\n.*goes on here\.\nThe report without it: .*index.html"):
        run("r", **chain)
    index = chain["runs_dir"] / "r" / "index.html"
    assert "05_analyze.html" in index.read_text() and "03_pretrain.html" not in index.read_text()
    assert not (index.parent / "run.json").exists()
    with pytest.raises(ParameterError, match="04_predict needs 03_pretrain"):
        run("r", start="04", **chain)
    chapters.inside = None
    run("r", **chain)
    assert chapters.ran == [*NOTEBOOKS[:3], "05_analyze", "03_pretrain", "04_predict"]
    assert (index.parent / "run.json").exists()
    chapters.inside = "02_update"
    with pytest.raises(PipelineError, match=r"03_pretrain does not need it: --from 03\."):
        run("r", **chain)
    assert chapters.ran[6:] == [*NOTEBOOKS[:2]]


def test_a_chapter_that_the_chat_is_too_small_for_is_no_failure(chain, chapters, caplog):
    chapters.inside, chapters.error = "03_pretrain", NotEnoughData
    index = run("r", **chain)
    assert (
        chapters.ran == [*NOTEBOOKS[:3], "05_analyze"]
        and "Not run: 03 pretrain, 04 predict" in index.read_text()
    )
    assert caplog.messages[-1] == "The report does without a chapter. 1 / 0"
    with pytest.raises(PipelineError, match="1 / 0"):
        run("r", only="03", **chain)


def test_the_page_of_a_chapter_that_failed_says_why(chain):
    write_notebook(chain["notebooks_dir"] / "03_pretrain.ipynb", code="raise ValueError('bad <b> luck')")
    with pytest.raises(PipelineError):
        run("r", **chain)
    folder = chain["runs_dir"] / "r"
    for name in NOTEBOOKS:
        page = (folder / f"{name}.html").read_text()
        assert find_broken_links(folder, Page(page)) == ["explorer.html"]  # which notebook 05 makes
        assert ("This chapter has not run" in page) == (name in ("03_pretrain", "04_predict"))
        assert ("ValueError: bad &lt;b&gt; luck" in page) == (name in ("03_pretrain", "04_predict"))
    page = Page((run("alone", only="01", **chain).parent / "01_collect.html").read_text())
    assert find_broken_links(chain["runs_dir"] / "alone", page) == ["explorer.html"]


def test_a_failed_notebook_keeps_its_cause_for_the_traceback(chain):
    write_notebook(chain["notebooks_dir"] / "01_collect.ipynb", code="raise ValueError('bad luck')")
    with pytest.raises(PipelineError) as failure:
        run("r", **chain)
    causes = [failure.value]
    while causes[-1].__cause__:
        causes.append(causes[-1].__cause__)
    assert "Traceback (most recent call last)" in str(causes[-1])


def test_one_notebook_alone_needs_those_before_it(chain, chapters):
    with pytest.raises(ParameterError, match="01_collect, which has not run"):
        run("r", only="05", **chain)
    run("r", **chain)
    run("r", only="05", overrides=["05.SEED=9"], **chain)
    record = json.loads((chain["runs_dir"] / "r" / "run.json").read_text())
    assert record["parameters"]["05_analyze"]["SEED"] == 9
    assert chapters.ran == [*NOTEBOOKS, "05_analyze"]


def test_the_index_never_shows_a_chapter_of_an_earlier_run(chain, chapters):
    index = run("r", **chain)
    chapters.inside, chapters.error = "05_analyze", PipelineError
    with pytest.raises(PipelineError):
        run("r", only="05", **chain)
    assert "Not run: 05 analyze" in index.read_text() and "04_predict.html" in index.read_text()
    chapters.inside = "01_collect"
    with pytest.raises(PipelineError):
        run("r", start="01", **chain)
    assert not index.exists()


def test_a_kernel_that_dies_is_told(chain):
    write_notebook(chain["notebooks_dir"] / "01_collect.ipynb", code="import os\nos._exit(1)")
    with pytest.raises(PipelineError, match="01_collect did not end"):
        run("r", **chain)


def test_a_cell_over_its_time_is_told(chain):
    write_notebook(chain["notebooks_dir"] / "01_collect.ipynb", code="import time\ntime.sleep(60)")
    with pytest.raises(PipelineError, match="01_collect"):
        run("r", cell_timeout_s=1, **chain)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"overrides": ["03.SEEED=1"]}, "no parameter 'SEEED'. Did you mean SEED"),
        ({"overrides": ["03.NOPE=1"]}, "no parameter 'NOPE'. It has RUN_DIR, "),
        ({"overrides": ["07.SEED=1"]}, "got '07'"),
        ({"overrides": ["SEED=1"]}, "NOTEBOOK.KEY=VALUE"),
        ({"overrides": ["03.SEED=many"]}, "type int"),
        ({"overrides": ["03.FLAG=0"]}, "type bool"),
        ({"name": "../up"}, "run's name"),
        ({"chats": "no/such/folder"}, "nothing at"),
        ({"channels": "https://example.com/@sample"}, "channel's address"),
        ({"channels": "no.ods"}, "list of channels must be a file"),
        ({"channels": "@sample", "chats": "."}, "not both"),
        ({"limit": -1}, "LIMIT"),
        ({"start": "03", "only": "04"}, "exclude each other"),
        ({"start": "9"}, "got '9'"),
    ],
)
def test_wrong_input_is_refused_before_anything_runs(chain, arguments, rule):
    with pytest.raises(ParameterError, match=rule):
        run(**{"name": "r", **arguments, **chain})
    assert not (chain["runs_dir"] / "r").exists()


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ("SEED = 1 + one", "plain literal"),
        ("seed = 1", "UPPER_CASE"),
        ("import os", "UPPER_CASE"),
        ("SEED: int = 1", "UPPER_CASE"),
    ],
)
def test_a_parameters_cell_holds_literals_only(tmp_path, parameters, rule):
    write_notebook(tmp_path / "a.ipynb", parameters=parameters)
    with pytest.raises(ParameterError, match=rule):
        read_parameters(tmp_path / "a.ipynb")


def test_a_notebook_without_a_tagged_cell_is_refused(chain):
    path = chain["notebooks_dir"] / "03_pretrain.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata.tags = []
    nbformat.write(notebook, path)
    with pytest.raises(ParameterError, match=r"03_pretrain.ipynb has 0"):
        run("r", **chain)
    path.write_text("no notebook")
    with pytest.raises(ParameterError, match="Jupyter notebook"):
        run("r", **chain)
    path.unlink()
    with pytest.raises(ParameterError, match="must exist"):
        run("r", **chain)


def test_a_new_home_changes_all_addresses(tmp_path):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    old = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    (tmp_path / "README.md").write_text(f"<!-- home: `git clone {old}` -->\n")
    assert len(set_home("https://github.com/some/where.git", project_dir=tmp_path)) == 7
    for path in [tmp_path / "README.md", *(tmp_path / "notebooks").glob("*.ipynb")]:
        text = path.read_text()
        assert old.removeprefix("https://github.com/") not in text
        assert "github.com/some/where" in text and "<!-- home" not in text
    assert set_home("https://github.com/some/where", project_dir=tmp_path) == []
    with pytest.raises(ParameterError, match="got 'ftp"):
        set_home("ftp://x", project_dir=tmp_path)


GENERAL = {"RUN_DIR": "x", "LIMIT": 0}


def write_command(name="sample", given=None, *, chats=None, channels=None, **general):
    return format_command(name, given or {}, chats=chats, channels=channels, general={**GENERAL, **general})


def test_the_sample_is_made_by_make():
    assert write_command(given={"01_collect": dict(GENERAL)}) == "make report"


def test_what_differs_is_in_the_command_and_comes_back_as_it_was(tmp_path):
    chats = PROJECT_DIR / "data" / "it's $HOME"
    given = {
        "01_collect": {**GENERAL, "LIMIT": 3, "CHATS": str(chats), "SOURCE": "chats"},
        "03_pretrain": {"RUN_DIR": "x", "LEARNING_RATE": 0.001, "EPOCHS": 2},
        "04_predict": {"RUN_DIR": "x", "SHARED_LAYERS": True},
        "05_analyze": {"RUN_DIR": "x", "BOTS": "a b, `c`"},
    }
    command = write_command("mine", given, chats=chats, LIMIT=3, CHATS=str(chats), SOURCE="chats")
    words = shlex.split(command)
    assert words[0] == ".venv/bin/chatlib"
    args = _build_parser()[0].parse_args(words[1:])
    assert (args.name, args.chats, args.limit) == ("mine", "data/it's $HOME", 3)
    defaults = {name: read_parameters(NOTEBOOKS_DIR / f"{name}.ipynb") for name in NOTEBOOKS}
    assert [parse_override(text, defaults) for text in args.overrides] == [
        ("03_pretrain", "LEARNING_RATE", 0.001),
        ("03_pretrain", "EPOCHS", 2),
        ("04_predict", "SHARED_LAYERS", True),
        ("05_analyze", "BOTS", "a b, `c`"),
    ]


@pytest.mark.parametrize(
    "channels", ["https://www.youtube.com/@NAME", "https://www.youtube.com/channel/UC?a=b&c"]
)
def test_channels_come_back(channels):
    words = shlex.split(write_command("mine", channels=channels))
    assert _build_parser()[0].parse_args(words[1:]).channels == channels


def test_a_path_at_home_does_not_name_its_owner(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert write_command("mine", chats=tmp_path / "my chats").endswith("--chats ~/'my chats'")


SECRET = "AIza-a-secret-that-must-stay-one"
QUICK = ("01.REQUESTS_PER_S=500.0", "02.REQUESTS_PER_S=500.0", "01.LISTING=yt-dlp", "02.LISTING=yt-dlp")


def small_video(letter, **facts):
    video_id = letter * 11
    actions = [text_action(i, f"{letter} {i}", offset_ms=i * 60_000, video_id=video_id) for i in range(5)]
    return make_video(video_id, actions, duration_s=300, **facts)


def test_a_channels_address_becomes_two_chapters(youtube, tmp_path, monkeypatch):
    channel = youtube.add_channel("@sample", [small_video("a"), small_video("b", status="bot_check")])
    youtube.api_key = SECRET
    monkeypatch.setenv("YOUTUBE_API_KEY", SECRET)
    run = {"channels": "https://www.youtube.com/@sample/streams", "overrides": QUICK, "runs_dir": tmp_path}
    stubs.run("channel", only="01", **run)
    new = small_video("c")
    youtube.add_videos(new)
    channel.videos.insert(0, new)
    stubs.run("channel", only="02", **run)
    results = json.loads((tmp_path / "channel" / "results" / "02_update.json").read_text())
    assert results["headline"] == {"new streams": 1, "new messages": 5}
    page = (tmp_path / "channel" / "02_update.html").read_text()
    assert "1 new, 1 tried again: 1 complete, 1 blocked" in page
    assert "cookies" in page
    for path in (tmp_path / "channel").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
            assert not path.name.endswith(("-wal", "-shm"))
