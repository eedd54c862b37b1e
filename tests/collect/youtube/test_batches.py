"""Batches of a replay: each names the next one; what an empty, repeated or circular one means."""

import json

import pytest

from chatlib.collect.youtube import batches
from chatlib.collect.youtube.batches import (
    ExpiredToken,
    find_chat_token,
    find_initial_data,
    find_unfiltered_token,
    iter_batches,
)
from chatlib.errors import SourceError
from tests.collect.youtube.site.videos import text_action


def batch(following, *numbers):
    """Return an answer with these messages, one a minute, and the token of the following one."""
    found = [{"playerSeekContinuationData": {"continuation": "seek"}}]
    if following is not None:
        found.append({"liveChatReplayContinuationData": {"continuation": following}})
    actions = [text_action(n, f"hello {n}", offset_ms=60_000 * n) for n in numbers]
    return {"continuationContents": {"liveChatContinuation": {"continuations": found, "actions": actions}}}


class Site:
    """Answers by a script: for each token the answers in turn, the last one for ever."""

    def __init__(self, script):
        self.script = script
        self.asked = []
        self.offsets_ms = []

    def __call__(self, token, offset_ms):
        self.asked.append(token)
        self.offsets_ms.append(offset_ms)
        answers = self.script[token]
        return json.loads(json.dumps(answers.pop(0) if len(answers) > 1 else answers[0]))


def numbers_of(found):
    return [int(item["replayChatItemAction"]["videoOffsetTimeMsec"]) // 60_000 for item in found.items]


def follow(site, token="a"):
    """Return the numbers in each batch, and the error that ended it, if one did."""
    seen = []
    try:
        for found in iter_batches(site, token):
            seen.append(numbers_of(found))
    except SourceError as error:
        return seen, error
    return seen, None


AGAIN = batches.MAX_ASKS
PLAYED = {  # answers by token; the numbers in each batch; the tokens asked with
    "the next one": ({"a": [batch("b", 1, 2)], "b": [batch(None, 3)]}, [[1, 2], [3]], ["a", "b"]),
    "empty once": ({"a": [batch("b"), batch(None, 1)]}, [[1]], ["a", "a"]),
    "empty each time": ({"a": [batch("b")], "b": [batch(None, 2)]}, [[], [2]], [*["a"] * AGAIN, "b"]),
    "an empty end": ({"a": [batch(None)]}, [[]], ["a"] * AGAIN),
    "no end": ({"a": [batch(None), batch("b", 1)], "b": [batch(None, 2)]}, [[1], [2]], ["a", "a", "b"]),
    "twice": ({"a": [batch("b", 1)], "b": [batch("b", 1), batch(None, 2)]}, [[1], [1], [2]], ["a", "b", "b"]),
}


@pytest.mark.parametrize("name", PLAYED)
def test_an_empty_batch_is_asked_for_again_and_believed_when_it_stays_empty(name):
    answers, seen, asked = PLAYED[name]
    site = Site(answers)
    assert follow(site) == (seen, None)
    assert site.asked == asked
    assert name != "the next one" or site.offsets_ms == [0, 120_000]


def test_more_empty_batches_than_anybody_believes_are_no_end():
    site = Site({str(n): [batch(str(n + 1))] for n in range(99)})
    seen, error = follow(site, "0")
    assert "empty batches" in str(error)
    assert len(set(site.asked)) == batches.MAX_EMPTY == len(seen) + 1


def test_empty_batches_here_and_there_are_no_trouble():
    site = Site({str(n): [batch(str(n + 1) if n < 79 else None, *[n] * (n % 20 == 0))] for n in range(80)})
    seen, error = follow(site, "0")
    assert (len(seen), error) == (80, None)


def test_a_circle_of_tokens_ends_with_an_error():
    site = Site({"a": [batch("b", 1)], "b": [batch("a", 2)]})
    seen, error = follow(site)
    assert seen == [[1], [2]] * batches.MAX_REPEATS and "successor" in str(error)


@pytest.mark.parametrize("answer", [{}, {"error": {"code": 404}}, {"continuationContents": 5}, [], None, "x"])
def test_what_is_no_batch_is_no_end(answer):
    site = Site({"a": [answer]})
    seen, error = follow(site)
    assert seen == [] and isinstance(error, ExpiredToken)
    assert site.asked == ["a"] * batches.MAX_ASKS


@pytest.mark.parametrize("page", [None, {}, [], {"contents": {"twoColumnWatchNextResults": None}}])
def test_pages_without_a_chat_have_no_tokens(page):
    assert find_chat_token(page) is None
    assert find_unfiltered_token(page) is None


def test_the_data_of_a_page_are_found_among_its_scripts():
    text = "<meta content=\"var ytInitialData = {};\"><script>var ytInitialData = {'x'</script>"
    assert find_initial_data(text + '<script>window["ytInitialData"] = {"a": 1};</script>') == {"a": 1}
    assert find_initial_data("") is find_initial_data("var ytInitialData = {broken") is None
    assert find_initial_data("var ytInitialData = " + "[" * 10**6) is None
