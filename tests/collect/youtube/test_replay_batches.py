"""Batches of a replay: each names the next one; what an empty, repeated or circular one means."""

import json

import pytest

from chatlib.collect.files.rows import Notes
from chatlib.collect.youtube import replay_batches
from chatlib.collect.youtube.replay_batches import Batches, find_chat_token, find_refusal, find_views
from tests.collect.youtube.site.videos import text_action


def batch(following, *numbers):
    """Return an answer with these messages, one a minute, and the token of the following one."""
    found = [{"playerSeekContinuationData": {"continuation": "seek"}}]
    if following is not None:
        found.append({"liveChatReplayContinuationData": {"continuation": following}})
    actions = [text_action(n, f"hello {n}", offset_ms=60_000 * n) for n in numbers]
    return {"continuationContents": {"liveChatContinuation": {"continuations": found, "actions": actions}}}


def play(script, *, tell=None):
    """Return batches answered by a script: for each token the answers in turn, the last one for ever."""
    asked = []

    def post(body):
        asked.append(body["continuation"])
        answers = script[body["continuation"]]
        return json.loads(json.dumps(answers.pop(0) if len(answers) > 1 else answers[0]))

    batches = Batches(post, Notes(), tell=tell)
    batches.asked = asked
    return batches


def numbers_of(answer):
    actions = answer["continuationContents"]["liveChatContinuation"]["actions"]
    return [int(a["replayChatItemAction"]["videoOffsetTimeMsec"]) // 60_000 for a in actions]


def test_batches_name_the_next_one_and_the_last_one_none():
    told = []
    batches = play({"a": [batch("b", 1, 2)], "b": [batch(None, 3)]}, tell=told.append)
    assert numbers_of(batches.fetch({"continuation": "a"})) == [1, 2]
    assert (batches.next_token, batches.ended) == ("b", False)
    assert numbers_of(batches.fetch({"continuation": "b"})) == [3]
    assert (batches.next_token, batches.ended) == (None, True)
    assert (batches.asked, told) == (["a", "b"], [120.0, 180.0])


def test_an_empty_batch_is_asked_for_again():
    batches = play({"a": [batch("b"), batch("b", 1)]})
    assert numbers_of(batches.fetch({"continuation": "a"})) == [1]
    assert batches.asked == ["a", "a"]


def test_a_batch_that_stays_empty_is_believed_and_the_next_one_followed():
    batches = play({"a": [batch("b")], "b": [batch("c", 2)]})
    assert numbers_of(batches.fetch({"continuation": "a"})) == [2]
    assert batches.asked == ["a"] * replay_batches.MAX_ASKS + ["b"]
    assert (batches.next_token, batches.ended) == ("c", False)


def test_an_empty_last_batch_is_the_end_when_it_stays_empty():
    batches = play({"a": [batch(None)]})
    assert numbers_of(batches.fetch({"continuation": "a"})) == []
    assert batches.ended and batches.asked == ["a"] * replay_batches.MAX_ASKS


def test_an_end_that_was_a_mishap_is_none():
    batches = play({"a": [batch(None), batch("b", 1)]})
    assert numbers_of(batches.fetch({"continuation": "a"})) == [1]
    assert (batches.next_token, batches.ended) == ("b", False)


def test_a_batch_of_nothing_known_is_asked_for_once_counted_once_and_passed():
    odd = batch("b", 1)
    odd["continuationContents"]["liveChatContinuation"]["actions"] = [{"startLiveChatParadeAction": {"a": 1}}]
    script = {"a": [odd], "b": [batch(None, 2)]}
    asked = []
    notes = Notes()
    batches = Batches(
        lambda body: asked.append(body["continuation"]) or script[body["continuation"]][0], notes
    )
    assert numbers_of(batches.fetch({"continuation": "a"})) == [2]
    assert (asked, notes) == (["a", "b"], {"no message: startLiveChatParadeAction": 1})


def test_more_empty_batches_than_anybody_believes_are_no_end():
    script = {str(n): [batch(str(n + 1))] for n in range(99)}
    batches = play(script)
    assert numbers_of(batches.fetch({"continuation": "0"})) == []
    assert not batches.ended
    assert len(set(batches.asked)) == replay_batches.MAX_EMPTY


def test_a_token_that_leads_back_to_itself_ends_without_an_end():
    batches = play({"a": [batch("b", 1)], "b": [batch("a", 2)]})
    token, seen = "a", []
    while token is not None and len(seen) < 50:
        answer = batches.fetch({"continuation": token})
        seen.append(token)
        token = batches.next_token
    assert seen == ["a", "b"] * replay_batches.MAX_REPEATS + ["a"]
    assert answer == {} and not batches.ended


def test_a_circle_of_empty_batches_ends_too():
    batches = play({"a": [batch("a")]})
    assert batches.fetch({"continuation": "a"}) == {} and not batches.ended
    assert len(batches.asked) == replay_batches.MAX_REPEATS * replay_batches.MAX_ASKS


def test_a_batch_given_twice_leads_on():
    batches = play({"a": [batch("b", 1)], "b": [batch("b", 1), batch(None, 2)]})
    seen = [numbers_of(batches.fetch({"continuation": token})) for token in "abb"]
    assert seen == [[1], [1], [2]] and batches.ended


@pytest.mark.parametrize("answer", [{}, {"error": {"code": 404}}, {"continuationContents": 5}, [], None, "x"])
def test_what_is_no_batch_is_no_end(answer):
    batches = Batches(lambda body: answer, Notes())
    assert batches.fetch({"continuation": "a"}) == answer
    assert (batches.next_token, batches.ended) == (None, False)


@pytest.mark.parametrize("page", [None, {}, [], {"contents": {"twoColumnWatchNextResults": None}}])
def test_pages_without_a_chat_have_no_tokens(page):
    assert find_chat_token(page) is None
    assert find_views(page) == (None, None)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("Sign in to confirm you’re not a bot", "blocked"),
        ("Our systems have detected unusual traffic", "blocked"),
        ("HTTP Error 429: Too Many Requests", "blocked"),
        ("Join this channel to get access to members-only content", "members_only"),
        ("This video is available to this channel's members on level: Crew", "members_only"),
        ("Live chat replay is not available for this video.", "no_replay"),
        ("Chat is disabled for this live stream", "no_replay"),
        ("Private video", "failed"),
        ("", "failed"),
    ],
)
def test_what_the_site_says_tells_the_state(said, state):
    refusal = find_refusal(said)
    assert refusal.state == state
    assert str(refusal).startswith(said or "the site gave no reason")


def test_a_refusal_is_one_short_line():
    assert len(str(find_refusal("a\nb " * 500))) < 350
    assert "\n" not in str(find_refusal("a\nb " * 500))
