"""Small notebooks and runs: a chain that ends in seconds, and a run made by hand without a kernel."""

import base64
import json
import shutil
from pathlib import Path

import nbformat

from chatlib.pipeline import chain
from chatlib.pipeline.settings import NOTEBOOKS, RunSettings, Step, describe_run
from chatlib.records import Stream
from chatlib.store import open_store

RESULTS = """
import json, pathlib
results = pathlib.Path(RUN_DIR) / "results"
results.mkdir(exist_ok=True)
(results / "{name}.json").write_text(json.dumps({{"headline": {{"seed": SEED, "x": "<b>"}}}}))
print("<script>alert(1)</script>")
"""

HACK = "<script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"
ZALGO = "z" + "\u0301\u0327\u0489" * 200 + "algo"
HOSTILE = [
    HACK,
    "</td></table></main><h1>mine</h1>",
    "$\\frac{1}{0}$ and $x$",
    "=cmd|' /C calc'!A0",
    "@SUM(A1:A9)?",
    "+1+1?",
    "\u202egnp.exe \u2066 is this reversed?",
    ZALGO,
    "[a](javascript:window.hacked=1) `x` **b** ?",
    "x" * 10_000 + "?",
    "{{ 7 * 7 }} ${seed} %s &lt;b&gt; ?",
]

PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c63f8ffff3f0005fe02fea72d9db80000000049454e44ae426082"
    )
).decode()
FIGURE = (
    {"image/png": PNG, "text/plain": "Figure: a"},
    {"image/png": {"alt": "Figure: a", "width": 900, "height": 300}},
)
GENERAL = {"RUN_DIR": "here", "LIMIT": 0}


def run(name, **options):
    """Run the chain and return the path of its index."""
    return chain.run_chain(RunSettings(name, **options))


def write_notebook(
    path, *, parameters='RUN_DIR = "data"\nSEED = 0\nSHARE = 0.5\nFLAG = True\nNAME = "x"', code=None
):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    notebook.cells = [
        nbformat.v4.new_markdown_cell(f"# {path.stem}\n\n[![Open in Colab](https://x/y.svg)](https://x)"),
        nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_markdown_cell("## What is here"),
        nbformat.v4.new_code_cell(code or RESULTS.format(name=path.stem)),
    ]
    nbformat.write(notebook, path)


def write_chain(folder, code=RESULTS):
    """Write five notebooks; `{name}` in the code is the notebook's."""
    folder.mkdir()
    for name in NOTEBOOKS:
        write_notebook(folder / f"{name}.ipynb", code=code.format(name=name))


class Chapters:
    """Chapters that run in this process, without a kernel: each works on what the ones before it left.

    `error` is raised in the chapter `inside`, when it has done half of its work.
    """

    def __init__(self, monkeypatch):
        self.inside, self.error, self.ran, self.given = None, KeyboardInterrupt, [], {}
        monkeypatch.setattr(chain, "execute_notebook", self.execute)
        monkeypatch.setattr(chain, "render_page", lambda run, name, **_: (run / f"{name}.html").touch())

    def execute(self, source, output, *, parameters, **_):
        run, name = Path(parameters["RUN_DIR"]), source.stem
        self.ran.append(name)
        self.given[name] = parameters
        shutil.copy(source, output)
        data = run / "data.txt"
        before = "" if name == "01_collect" else data.read_text()
        if name in ("01_collect", "02_update"):
            data.write_text(f"{before}half of {name}, ")
        if name == self.inside:
            raise self.error("1 / 0")
        if name in ("01_collect", "02_update"):
            kept = before.split("half")[0].split(name)[0]  # a chapter that has run changes nothing again
            data.write_text(f"{kept}{name} of {parameters.get('SEED', 0)}, ")
        (run / "results").mkdir(exist_ok=True)
        model = run / "results" / "03_pretrain.json"
        results = {"headline": {"data": data.read_text()}}
        if name == "04_predict":
            results["headline"]["model"] = json.loads(model.read_text())["headline"]["data"]
        (run / "results" / f"{name}.json").write_text(json.dumps(results))


def write_executed(
    path, *, output="<table><tr><td>1</td></tr></table>", printed="", code="SEED = 0", figure=FIGURE
):
    cells = [
        nbformat.v4.new_markdown_cell(
            f"# {path.stem}: a title\n\n[![Open in Colab](https://x/y.svg)](https://x)"
        ),
        nbformat.v4.new_markdown_cell("What it is *about*.\n\n## A part"),
        nbformat.v4.new_code_cell(code, metadata={"tags": ["key-figure"]}),
    ]
    picture = nbformat.v4.new_output("execute_result", figure[0], metadata=figure[1], execution_count=1)
    table = nbformat.v4.new_output(
        "execute_result", {"text/html": output, "text/plain": "t"}, execution_count=1
    )
    cells[2].outputs = [picture, table]
    if printed:
        cells[2].outputs.append(nbformat.v4.new_output("stream", name="stdout", text=printed))
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    nbformat.write(notebook, path)


def make_step(*, seconds=1.0, finished_at="2026-05-01T00:00:00+00:00"):
    return Step("key", dict(GENERAL), {**GENERAL, "SEED": 0}, seconds, finished_at)


def make_run(run):
    """Write a run with five executed notebooks of three cells and their results; return its record."""
    (run / "results").mkdir(parents=True)
    steps = {}
    for number, name in enumerate(reversed(NOTEBOOKS)):
        write_executed(run / f"{name}.ipynb")
        headline = {"a/b~c <i>": 0.04237, "streams": 12345, "best": "<b>48:00</b>"}
        results = {"headline": headline, "answer": ["77 of 1817 paid: <b>4 %</b>."]}
        (run / "results" / f"{name}.json").write_text(json.dumps(results))
        steps[name] = make_step(seconds=1.5 + number, finished_at=f"2026-05-0{number + 1}T12:34:56+00:00")
    with open_store(run / "Db_file.dbs", create=True) as db:
        for day, title in (("2026-01-01", "a <script>x</script>"), ("2026-01-02", "b")):
            about = {"channel_name": "C & <i>D</i>", "simulated": True, "started_at": f"{day}T00:00:00+00:00"}
            stream = Stream("youtube", f"video-{day}", title=title, **about)
            db.save_chat(stream, [])
    record = describe_run(run, steps, chats=None, channels=None, general=GENERAL)
    (run / "run.json").write_text(json.dumps(record))
    return record
