"""Tables that leave the program carry no formula and no HTML."""

import re
from decimal import Decimal

import pandas as pd
import pytest

from chatlib.analyze.analytics.sections import Highlight
from chatlib.analyze.clips import sections_as_table
from chatlib.tables import RenderedTable, RenderedTables, format_value, save_tables


def test_lists_are_joined_and_disarmed(tmp_path):
    table = pd.DataFrame({"typical": [["=x", "y"], []]})
    save_tables(tmp_path, {"a": table, "b": table})
    assert (tmp_path / "b.csv").read_text().splitlines() == ["typical", "'=x | y", '""']


def test_a_rendered_table_escapes_all_and_links_only_links():
    rows = [("<b>x</b>", 1.23456, ["<i>", "b"], "https://a.b/?x=1&y='")]
    table = pd.DataFrame(rows, columns=["title", "peak", "said", "link"])
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
    row = {"chats_share": 0.1234, "first_s": 3723.5, "people": 12345, "member": True}
    row |= {"value": 12.346, "peak": 0.123456, "none": float("nan"), "mean": 1234.6,
            "few_share": 0.0512, "fewer_share": 0.00123, "most_share": 0.0996}  # fmt: skip
    html = RenderedTable(pd.DataFrame([row]))._repr_html_()
    cells = re.findall(r"<t[dh]>(.*?)</t[dh]>", html)
    assert cells == [
        "messages share", "first", "people", "member", "value", "peak", "none", "mean",
        "few share", "fewer share", "most share",
        "12 %", "1:02:03", "12,345", "yes", "12.35", "0.123", "", "1,235", "5.1 %", "0.12 %", "10 %",
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
    table = sections_as_table([Highlight(5, 15, "avgUniqueUsersPerSecond rose", "f", 1.2, 1.1)])
    assert table.values.tolist() == [["0:00:05", "0:00:15", 10, 1.2, 1.1, "people a second rose"]]


def test_a_rate_is_no_time():
    html = RenderedTable(pd.DataFrame({"tokens_per_s": [15751.0], "length_s": [65.0]}))._repr_html_()
    cells = [re.sub("<.*?>", "", cell) for cell in re.findall(r"<t[dh]>(.*?)</t[dh]>", html)]
    assert cells == ["tokens per s", "length", "15,751", "0:01:05"]


def test_a_frame_as_pandas_makes_it_has_one_row_of_headings_and_no_nan():
    at = [pd.Timestamp("2026-01-09"), pd.NaT, pd.Timestamp("2026-01-10 12:30")]
    frame = (
        pd.DataFrame({"stream": ["a", "a", "b"], "n": [1, 2, 3], "at": at})
        .groupby("stream")
        .agg({"n": ["min", "max"], "at": ["max"]})
    )
    html = RenderedTable(frame)._repr_html_()
    cells = [re.sub("<.*?>", "", cell) for cell in re.findall(r"<t[dh]>(.*?)</t[dh]>", html)]
    assert cells == ["stream", "n min", "n max", "at max", "a", "1", "2", "2026-01-09", "b", "3", "3",
                     "2026-01-10 12:30"]  # fmt: skip
    assert "NaN" not in RenderedTable(pd.DataFrame({"x": [None, float("nan"), pd.NaT]}))._repr_html_()


def test_a_table_of_thousands_shows_its_beginning():
    html = RenderedTable(pd.DataFrame({"n": range(1060)}))._repr_html_()
    assert html.count("<tr") == 61 and "and 1,000 more rows" in html


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.042377, "0.0424"), (62.478, "62.5"), (6874.8, "6,875"), (34721, "34,721"), ("48:00", "48:00"),
     (True, "yes"), (2.0, "2"), (0.0000123, "1e-05"), (-0.5, "-0.5"),
     (Decimal("1234.50"), "1,234.50"), (Decimal(5000), "5,000")],
)  # fmt: skip
def test_numbers_have_three_digits_and_commas(value, shown):
    assert format_value(value) == shown
