"""Which streams are fetched."""

import pytest

from chatlib.collect.youtube.plan import plan_streams
from chatlib.errors import ParameterError

STATES = {
    "c": "complete",
    "p": "partial",
    "b": "blocked",
    "f": "failed",
    "m": "members_only",
    "n": "no_replay",
}


def test_the_plan_takes_new_and_unfinished_streams_oldest_first():
    plan = plan_streams(["y", *"cpbfmn", "z"], STATES)
    assert plan == (["z", "f", "b", "p", "y"], [], [], ["n", "m", "c"])


def test_with_cookies_the_members_streams_are_tried_again():
    assert plan_streams(list("cm"), STATES, has_cookies=True).wanted == ["f", "b", "p", "m"]
    assert plan_streams(list("cm"), {"m": "members_only"}, has_cookies=True).wanted == ["m", "c"]


def test_running_and_gone_streams_are_named_and_left_out():
    plan = plan_streams(["l", "g", "p", "u"], STATES, running=["u", "l", "elsewhere"], gone=["g"])
    assert plan == (["f", "b", "p"], ["u", "l"], ["g"], ["n", "m", "c"])
    assert plan_streams(["p"], {"p": "partial"}, gone=["p"]) == ([], [], ["p"], [])


def test_known_streams_that_the_list_no_longer_shows_are_tried_again():
    assert plan_streams(["y"], {"f": "failed", "c": "complete"}) == (["f", "y"], [], [], ["c"])


def test_a_limit_counts_the_newest_that_are_over():
    plan = plan_streams(["l", "c", "x", "y"], {"c": "complete", "f": "failed"}, running=["l"], limit=2)
    assert plan == (["x"], ["l"], [], ["c"])
    with pytest.raises(ParameterError, match="LIMIT"):
        plan_streams([], {}, limit=-1)


def test_nothing_listed_is_nothing_planned():
    assert plan_streams([], {}) == ([], [], [], [])
