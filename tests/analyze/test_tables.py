"""Tables that leave the program carry no formula and no HTML."""

import re
from decimal import Decimal

import pandas as pd

from chatlib.analyze import Highlight
from chatlib.analyze.tables import RenderedTable, RenderedTables, save_tables, sections_as_table


def test_lists_are_joined_and_disarmed(tmp_path):
    table = pd.DataFrame({"typical": [["=x", "y"], []]})
    save_tables(tmp_path, {"a": table, "b": table})
    assert (tmp_path / "b.csv").read_text().splitlines() == ["typical", "'=x | y", '""']


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
    assert html.count("text-align: left") == 4  # title and said, and their names


def test_a_missing_link_is_an_empty_cell_and_without_any_there_is_no_column():
    table = pd.DataFrame({"rank": [1, 2], "link": [None, "https://youtu.be/x"]})
    html = RenderedTable(table)._repr_html_()
    assert (html.count("watch"), html.count("<td></td>")) == (1, 1)
    assert "link" not in RenderedTable(table.head(1))._repr_html_()


def test_numbers_shares_and_times_are_shown_as_people_write_them():
    row = {
        "chats_share": 0.1234,
        "first_s": 3723.5,
        "people": 12345,
        "member": True,
        "value": Decimal("12.345"),
    }
    html = RenderedTable(
        pd.DataFrame([row | {"peak": 0.123456, "none": float("nan"), "mean": 1234.5}])
    )._repr_html_()
    cells = re.findall(r"<t[dh]>(.*?)</t[dh]>", html)
    assert cells == [
        "chats share", "first", "people", "member", "value", "peak", "none", "mean",
        "12.3%", "1:02:03", "12,345", "yes", "12.35", "0.123", "", "1,234.50",
    ]  # fmt: skip


def test_tables_side_by_side_have_titles_and_say_where_there_is_nothing():
    tables = {"<Emoji>": pd.DataFrame({"emoji": ["😂", "<b>"]}), "Emotes": pd.DataFrame({"emote": []})}
    html = RenderedTables(tables)._repr_html_()
    assert "<b>&lt;Emoji&gt;</b>" in html
    assert html.count("<table") == 1
    assert "<p>none</p>" in html
    assert "&lt;b&gt;" in html
    assert "Emotes" in repr(RenderedTables(tables))


def test_sections_make_a_table():
    table = sections_as_table([Highlight(5, 15, "why", "f", 1.2, 1.1)])
    assert table.values.tolist() == [["0:05", "0:15", 10, 1.2, 1.1, "why"]]
