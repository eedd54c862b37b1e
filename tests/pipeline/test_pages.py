"""A chapter's page: what is wide scrolls, and tables link their files."""

from chatlib.pipeline.pages import render_page
from chatlib.pipeline.settings import NOTEBOOKS
from tests.pipeline.reading import Page
from tests.pipeline.stubs import write_executed


def test_tables_scroll_inside_themselves_and_figures_fit(hand_run):
    run, _ = hand_run
    html = render_page(run, "03_pretrain").read_text()
    assert '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table>' in html
    assert '<picture>\n<img alt="Figure: a"' in html
    cells = f"<td>{'x' * 500}</td><td>{'y' * 499}</td>"
    write_executed(run / "01_collect.ipynb", output=f"<table><tr>{cells}</tr></table>")
    html = render_page(run, "01_collect").read_text()
    box = f'<td><div class="long" role="group" aria-label="Long text" tabindex="0">{"x" * 500}</div></td>'
    assert box in html and f"<td>{'y' * 499}</td>" in html


def test_a_table_of_many_columns_names_its_cells_for_cards(hand_run):
    run, _ = hand_run
    head, cells = "<th>a</th>" * 3 + '<th>b "c"</th>', "<td>1</td>" * 4
    table = f"<table><thead><tr>{head}</tr></thead><tbody><tr>{cells}</tr></tbody></table>"
    write_executed(run / "01_collect.ipynb", output=table)
    html = render_page(run, "01_collect").read_text()
    assert html.count('<td data-label="a">1') == 3 and '<td data-label="b c">1</td></tr>' in html


def test_a_printed_table_scrolls_and_printed_sentences_break(hand_run):
    run, _ = hand_run
    said = "4 read,  0 failed\n\n  streams    paid\n       20     327\n\nLeft out:\n   3 × a  b\n  <i>x\n"
    write_executed(run / "01_collect.ipynb", printed=said)
    html = render_page(run, "01_collect").read_text()
    box = '<span class="scroll" role="group" aria-label="Table" tabindex="0">'
    rows = f"{box}  streams    paid\n       20     327\n</span>"
    assert f"<pre>4 read,  0 failed\n\n{rows}\nLeft out:\n   3 × a  b\n  &lt;i&gt;x\n</pre>" in html


def test_a_page_leads_to_the_chapters_beside_it(hand_run):
    run, _ = hand_run
    assert [Page(render_page(run, name).read_text()).links()[-2:] for name in NOTEBOOKS[1:4]] == [
        ["01_collect.html", "03_pretrain.html"],
        ["02_update.html", "04_predict.html"],
        ["03_pretrain.html", "05_analyze.html"],
    ]


def test_a_table_links_its_file(hand_run):
    run, _ = hand_run
    saved = 'save_tables(ws.results / "05_tables", {"best": moments, "other": other.rows})'
    write_executed(run / "05_analyze.ipynb", code=f"{saved}\nmoments.head(5)")
    html = render_page(run, "05_analyze").read_text()
    assert html.count('<a href="results/05_tables/best.csv">best.csv</a>') == 1 and "other.csv" not in html
