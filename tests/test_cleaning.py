"""Text from chat is inert in a spreadsheet and in a terminal."""

import pytest

from chatlib.text import disarm_cell, one_line


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("fine", "fine"),
        ("=1+1", "'=1+1"),
        ("\r=1+1", "' =1+1"),
        ("a\n=b", "a =b"),
        ("\x1b[31m=x", " [31m=x"),
        ("\x00\x7f-x", "'  -x"),
        ("\u202e\u2066@x\u2069", "'@x"),
        ("＝x", "'＝x"),
        ("＋x", "'＋x"),
        ("－x", "'－x"),
        ("＠x", "'＠x"),
        ("ｗ＝x", "ｗ＝x"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_a_cell_is_only_shown(text, cell):
    assert disarm_cell(text) == cell


def test_a_line_for_a_terminal_holds_nothing_that_steers_it():
    assert one_line("a\x1b]0;x\x07\r\nb\u202ec\u2028d", 80) == "a ]0;x b c d"
    assert one_line("x" * 100, 10) == "x" * 9 + "…"
    assert (one_line(None), one_line("")) == ("", "")
