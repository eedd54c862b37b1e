"""A run made by hand: five executed notebooks of three cells, their results, and no kernel."""

import base64
import json

import nbformat
import pytest

from chatlib.pipeline import describe_run
from chatlib.pipeline.notebooks import NOTEBOOKS
from chatlib.records import Stream
from chatlib.store import open_store

PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c63f8ffff3f0005fe02fea72d9db80000000049454e44ae426082"
    )
).decode()
GENERAL = {"RUN_DIR": "here", "LIMIT": 0}


def write_executed(path, *, output="<table><tr><td>1</td></tr></table>", alt="Figure: a", printed=""):
    cells = [
        nbformat.v4.new_markdown_cell(
            f"# {path.stem}: a title\n\n[![Open in Colab](https://x/y.svg)](https://x)"
        ),
        nbformat.v4.new_markdown_cell("What it is *about*.\n\n## A part"),
        nbformat.v4.new_code_cell("SEED = 0", metadata={"tags": ["key-figure"]}),
    ]
    figure = nbformat.v4.new_output(
        "execute_result",
        {"image/png": PNG, "text/plain": alt},
        metadata={"image/png": {"alt": alt, "width": 900, "height": 300}},
        execution_count=1,
    )
    table = nbformat.v4.new_output(
        "execute_result", {"text/html": output, "text/plain": "t"}, execution_count=1
    )
    cells[2].outputs = [figure, table]
    if printed:
        cells[2].outputs.append(nbformat.v4.new_output("stream", name="stdout", text=printed))
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    nbformat.write(notebook, path)


@pytest.fixture
def hand_run(tmp_path):
    """Return the folder of a run, and what `describe_run` says of it."""
    run = tmp_path / "mine"
    (run / "results").mkdir(parents=True)
    steps = {}
    for number, name in enumerate(reversed(NOTEBOOKS)):
        write_executed(run / f"{name}.ipynb")
        headline = {"a/b~c <i>": 0.04237, "streams": 12345, "best": "<b>48:00</b>"}
        results = {"headline": headline, "sentences": ["77 of 1817 paid: <b>4 %</b>."]}
        (run / "results" / f"{name}.json").write_text(json.dumps(results))
        steps[name] = {
            "given": dict(GENERAL),
            "parameters": {**GENERAL, "SEED": 0},
            "seconds": 1.5 + number,
            "finished_at": f"2026-05-0{number + 1}T12:34:56+00:00",
        }
    with open_store(run / "Db_file.dbs", create=True) as db:
        for day, title in (("2026-01-01", "a <script>x</script>"), ("2026-01-02", "b")):
            about = {"channel_name": "C & <i>D</i>", "simulated": True, "started_at": f"{day}T00:00:00+00:00"}
            stream = Stream("youtube", f"video-{day}", title=title, **about)
            db.save_chat(stream, [])
    record = describe_run(run, steps, chats=None, channels=None, general=GENERAL)
    (run / "run.json").write_text(json.dumps(record))
    return run, record
