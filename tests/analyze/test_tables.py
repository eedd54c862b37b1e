"""Tables that leave the program carry no formula and no HTML."""

import pandas as pd
import pytest

from chatlib.analyze import Highlight
from chatlib.analyze.tables import RenderedTable, save_table, save_tables, sections_as_table
from chatlib.errors import ParameterError


def test_text_that_a_spreadsheet_would_run_is_disarmed(tmp_path):
    table = pd.DataFrame({"text": ["=1+1", "+a", "-b", "@c", "fine", "配信"], "n": [-1, 2, 3, 4, 5, 6]})
    path = save_table(table, tmp_path / "new" / "t.csv")
    assert path.read_text(encoding="utf-8").splitlines() == [
        "text,n", "'=1+1,-1", "'+a,2", "'-b,3", "'@c,4", "fine,5", "配信,6",
    ]  # fmt: skip


def test_lists_are_joined_and_disarmed(tmp_path):
    table = pd.DataFrame({"typical": [["=x", "y"], []]})
    save_tables(tmp_path, {"a": table, "b": table})
    assert (tmp_path / "b.csv").read_text().splitlines() == ["typical", "'=x | y", '""']


def test_a_table_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="written"):
        save_table(pd.DataFrame({"a": [1]}), tmp_path / "file" / "t.csv")


def test_a_rendered_table_escapes_all_and_links_only_links():
    rows = {
        "title": ["<b>x</b>"],
        "peak": [1.23456],
        "said": [["<i>", "b"]],
        "link": ["https://a.b/?x=1&y='"],
    }
    table = pd.DataFrame(rows)
    html = RenderedTable(table)._repr_html_()
    assert "<b>" not in html
    assert "&lt;i&gt;<br>b" in html
    assert '<a href="https://a.b/?x=1&amp;y=&#x27;">watch</a>' in html
    assert "1.23<" in html
    assert "watch" not in repr(RenderedTable(table))


def test_a_missing_link_is_an_empty_cell():
    html = RenderedTable(pd.DataFrame({"link": [None, float("nan")]}))._repr_html_()
    assert "watch" not in html


def test_sections_make_a_table():
    table = sections_as_table([Highlight(5, 15, "why", "f", 1.2, 1.1)])
    assert table.values.tolist() == [["0:05", "0:15", 10, 1.2, 1.1, "why"]]
