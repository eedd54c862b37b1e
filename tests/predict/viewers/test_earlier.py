import numpy as np

from chatlib.predict.models.words import join_texts
from chatlib.predict.questions import Question
from chatlib.predict.viewers import texts
from chatlib.predict.viewers.table import load_viewers


def said_earlier(viewers, row):
    start, end = viewers.earlier.starts[row : row + 2]
    return [viewers.texts[code] for code in viewers.earlier.text_codes[start:end]]


def test_payments_are_no_earlier_words_and_the_first_time_has_none(small):
    viewers = load_viewers(small)
    names = small.query("SELECT author, name FROM authors").set_index("author")["name"]
    said = {
        (int(s), names[a]): said_earlier(viewers, i)
        for i, (s, a) in enumerate(zip(viewers.table["stream_id"], viewers.table["author"], strict=True))
    }
    assert said[1, "ann"] == said[1, "bob"] == []
    assert said[2, "bob"] == ["hi", "bye"]
    assert said[3, "ann"] == ["early", "bye"]  # and not "take this"
    assert said[3, "bob"] == ["hi", "bye", "hi", "hi"]


def test_they_are_of_strictly_earlier_dates_and_by_the_same_author(channel):
    for question in (Question("retrospective"), Question("forecast", landmark_min=30)):
        viewers = load_viewers(channel, question)
        past, row = viewers.earlier, np.repeat(np.arange(len(viewers)), np.diff(viewers.earlier.starts))
        assert len(row) > 500
        started_at = channel.load_streams().set_index("stream_id")["started_at"]
        then, now = started_at.loc[past.stream_ids].to_numpy(), viewers.table["started_at"].to_numpy()[row]
        assert (then < now).all()
        messages = channel.query("SELECT stream_id, position, author, kind, text FROM messages")
        messages = messages.set_index(["stream_id", "position"])
        found = messages.loc[list(zip(past.stream_ids, past.positions, strict=True))]
        assert (found["author"].to_numpy() == viewers.table["author"].to_numpy()[row]).all()
        assert (found["kind"] == "text_message").all()
        assert found["text"].tolist() == [viewers.texts[code] for code in past.text_codes]


def test_of_many_the_latest_are_taken(channel, monkeypatch):
    whole = load_viewers(channel)
    monkeypatch.setattr(texts.find_earlier, "__kwdefaults__", {"most": 2})
    few = load_viewers(channel)
    for i in range(len(whole)):
        assert said_earlier(few, i) == said_earlier(whole, i)[-2:]


def test_one_stream_alone_has_the_same_earlier_words(channel):
    everyone = load_viewers(channel)
    stream_id = int(everyone.table["stream_id"].iloc[-1])
    alone = load_viewers(channel, only=[stream_id])
    there = everyone.take(everyone.find_rows([stream_id]))
    for row in range(len(alone)):
        assert said_earlier(alone, row) == said_earlier(there, row)
    assert join_texts(alone, max_messages=3) == join_texts(there, max_messages=3)


def test_texts_are_joined_as_chosen(channel):
    viewers = load_viewers(channel)
    joined = join_texts(viewers, max_messages=2)
    first = [viewers.texts[c] for c in viewers.text_codes[viewers.starts[0] : viewers.starts[1]]]
    assert joined[0].split("\n") == ([first[0], first[-1]] if len(first) > 1 else first)
    assert len(joined) == len(viewers)
