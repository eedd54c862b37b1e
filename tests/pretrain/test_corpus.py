"""What the language model reads, what it never reads, and the chat's own tokenizer."""

import unicodedata
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatlib.errors import NotEnoughData
from chatlib.pretrain.corpus import (
    SPECIAL_TOKENS,
    build_corpus,
    find_emotes,
    load_chat,
    normalize_for_model,
    tokenize,
    train_tokenizer,
)
from chatlib.records import Message, Stream
from chatlib.store import open_store
from chatlib.times import split_by_date
from tests.pretrain.chats import SMALL, make_chat, make_stream


def video_ids(streams):
    return streams["video_id"].tolist()


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("hello   there ", "hello there"),
        ("@some_body.else-2 hi", "@user hi"),
        ("@Иван hi @もちもち hi @علي、@한글", "@user hi @user hi @user、@user"),
        ("look https://a.b/c?d=e now", "look http now"),
        ("again\U000e0000", "again"),
        ("a\u200bb\nc\td", "a b c d"),
        ("すごい　草", "すごい 草"),
        ("👩‍👩‍👧 5 @ 3", "👩‍👩‍👧 5 @ 3"),
        ("\u200b", ""),
    ],
)
def test_a_normalized_text_has_no_names_addresses_or_invisible_characters(written, clean):
    assert normalize_for_model(written) == clean


@given(st.text())
@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_normalizing_twice_changes_nothing(text):
    once = normalize_for_model(text)
    assert normalize_for_model(once) == once
    assert "  " not in once


def test_only_a_viewers_own_words_are_read(tmp_path):
    rows = [
        Message("1", "text_message", 9.0, "a", None, "second  words"),
        Message("2", "text_message", 5.0, None, None, "first words"),
        Message("3", "paid_message", 6.0, "a", None, "paid words", amount_text="$5"),
        Message("4", "resubscription", 6.0, "a", None, "words of a subscriber", notice="a subscribed"),
        Message("5", "text_message", 6.0, "a", None, "words with bits", bits=100),
        Message("6", "text_message", 6.0, "a", None, None, notice="only a notice"),
        Message("7", "text_message", 6.0, "a", None, " \u200b"),
        Message("8", "text_message", None, "a", None, "words at no time"),
        Message("9", "highlighted_message", 9.0, "b", None, "third words"),
    ]
    with open_store(tmp_path / "db", create=True) as db:
        stream_id = db.save_chat(make_stream(0), rows).stream_id
        chat = load_chat(db, [stream_id])
    expected = pd.DataFrame(
        {
            "stream_id": [stream_id] * 3,
            "offset_s": [5.0, 9.0, 9.0],
            "author": [-1, 1, 2],
            "text": ["first words", "second words", "third words"],
        }
    )
    pd.testing.assert_frame_equal(chat, expected, check_dtype=False)


def test_training_is_before_what_is_held_out_and_both_before_the_test_period(db, chat):
    streams = db.load_streams()
    split = split_by_date(streams)
    test_period = streams.loc[streams["stream_id"].isin(split.test), "video_id"]
    used = video_ids(chat.streams) + video_ids(chat.held_out_streams)
    assert used == [f"v{i}" for i in range(len(used))]
    assert not set(used) & set(test_period)
    assert chat.streams["started_at"].max() < chat.held_out_streams["started_at"].min()
    assert set(chat.train["stream_id"]) <= set(split.train)


def test_a_short_validation_period_is_filled_up_from_the_end_of_training(chat):
    # 10 streams: 6 to train, 2 to validate, of which four must be held out: one comes from training
    # (a quarter of six), and five stay.
    assert video_ids(chat.streams) == ["v0", "v1", "v2", "v3", "v4"]
    assert video_ids(chat.held_out_streams) == ["v5", "v6", "v7"]


def test_streams_of_one_date_are_held_out_together(tmp_path):
    with open_store(tmp_path / "db", create=True) as db:
        for number in range(10):
            stream = make_stream(number)
            if number in (3, 4, 5):  # the last three of the training period
                stream = stream._replace(started_at="2026-01-05")
            db.save_chat(stream, make_chat(number))
        corpus = build_corpus(db, SMALL)
    assert video_ids(corpus.streams) == ["v0", "v1", "v2"]
    assert video_ids(corpus.held_out_streams) == ["v3", "v4", "v5", "v6", "v7"]


def test_a_held_out_single_message_is_new_in_any_spelling(own_db):
    known = Message("k", "text_message", 500.0, "a", None, "Word FOR word")
    own_db.save_chat(make_stream(0), [known])
    later = [known._replace(text="word for WORD"), known._replace(message_id="n", text="not yet said")]
    own_db.save_chat(make_stream(7), later)
    corpus = build_corpus(own_db, SMALL)
    assert "not yet said" in corpus.single_messages
    assert "word for WORD" not in corpus.single_messages
    assert not {t.casefold() for t in corpus.single_messages} & {t.casefold() for t in corpus.train["text"]}
    assert len(set(corpus.single_messages)) == len(corpus.single_messages)


def test_copies_of_a_text_are_capped_per_stream(own_db):
    said = ((f"p{i}", "Pasta" if i % 2 else "pasta", i + 0.5) for i in range(30))
    pasta = [Message(key, "text_message", at_s, "a", None, text) for key, text, at_s in said]
    for number in range(10):
        own_db.save_chat(make_stream(number), pasta)
    corpus = build_corpus(own_db, SMALL)
    copies = corpus.train[corpus.train["text"].str.casefold() == "pasta"]
    assert copies.groupby("stream_id").size().tolist() == [10] * 5
    assert corpus.n_available == 5 * 150


def test_whole_streams_are_sampled_up_to_the_cap_and_stay_in_order(db):
    corpus = build_corpus(db, replace(SMALL, messages=250, seed=3))
    assert len(corpus.train) == 250
    assert sorted(corpus.train.groupby("stream_id").size()) == [10, 120, 120]
    assert corpus.train["stream_id"].is_monotonic_increasing
    for _, offsets in corpus.train.groupby("stream_id")["offset_s"]:
        assert offsets.is_monotonic_increasing
    one, same, other = (build_corpus(db, replace(SMALL, streams=2, seed=seed)) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.train, same.train)
    assert len(one.streams) == 2 and video_ids(one.streams) != video_ids(other.streams)


def test_a_stream_without_messages_is_no_reason_to_stop(own_db):
    own_db.save_chat(Stream("youtube", "empty", started_at="2026-01-01"))
    sticker = Message("s", "paid_sticker", 1.0, "a", None, None)
    own_db.save_chat(Stream("youtube", "paid only", started_at="2025-12-31"), [sticker])
    corpus = build_corpus(own_db, SMALL)
    assert not {"empty", "paid only"} & set(video_ids(corpus.streams))


def test_too_little_chat_is_refused(tmp_path, db):
    with pytest.raises(NotEnoughData, match="there are 100 and"):
        build_corpus(db, replace(SMALL, messages=100))
    with open_store(tmp_path / "db", create=True) as few:
        few.save_chat(make_stream(0), make_chat(0))
        with pytest.raises(NotEnoughData):
            build_corpus(few, SMALL)


def test_rows_to_look_at_number_who_wrote_them(chat):
    start = len(chat.train) // 2 - 4
    rows = chat.show_rows(4)
    assert list(rows) == ["time", "viewer", "message"] and rows["viewer"][0] == 1
    assert rows["message"].tolist() == chat.train["text"].iloc[start : start + 4].tolist()
    assert rows["viewer"].nunique() == chat.train["author"].iloc[start : start + 4].nunique()


TEXTS = ["hello :_catWave: friends", "草 すごい カワイイ", ":_catWave::_catWave:", "it's 12:30"] * 20
NORMALIZER = train_tokenizer(TEXTS, vocabulary=300).backend_tokenizer.normalizer


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, vocabulary=600)


def pieces(tokenizer, text):
    (ids,) = tokenize(tokenizer, [text], max_len=100)
    return [tokenizer.decode([i]) for i in ids]


def test_a_frequent_emote_is_one_token(tokenizer):
    assert pieces(tokenizer, "hello :_catWave: friends") == [" hello", " :_catWave:", " friends"]


def test_japanese_is_cut_where_the_script_changes(tokenizer):
    assert pieces(tokenizer, "草すごいカワイイ")[-2:] != pieces(tokenizer, "草 すごい カワイイ")[-2:]
    assert pieces(tokenizer, "草 すごい カワイイ") == [" 草", " すごい", " カワイイ"]


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_it_cleans_as_the_corpus_does(text):
    folded = unicodedata.normalize("NFKC", text)  # which the tokenizer does first, the corpus never
    assert NORMALIZER.normalize_str(text).strip(" ") == normalize_for_model(folded)


def test_nothing_is_unknown_and_nothing_is_lost(tokenizer):
    text = "🫠 Привет ñ 東京 <b>&</b> $x$"
    (ids,) = tokenize(tokenizer, [text], max_len=100)
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) == " " + text


def test_the_name_of_a_special_token_in_chat_is_text(tokenizer):
    (ids,) = tokenize(tokenizer, ["[MASK] or [SEP]"], max_len=100)
    assert not set(ids) & set(tokenizer.all_special_ids)


def test_a_single_message_stands_between_cls_and_sep(tokenizer):
    ids = tokenizer("hello")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "Ġhello", "[SEP]"]
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == [0, 1, 2, 3, 4]


def test_long_messages_are_cut_and_none_is_left_out(tokenizer):
    assert [len(ids) for ids in tokenize(tokenizer, ["hello " * 50, "", "hello"], max_len=8)] == [8, 0, 1]
    assert tokenize(tokenizer, [], max_len=8) == []


def test_the_same_texts_give_the_same_tokenizer():
    one, same, other = (train_tokenizer(texts, vocabulary=600) for texts in (TEXTS, TEXTS, TEXTS[:3] * 9))
    assert one.backend_tokenizer.to_str() == same.backend_tokenizer.to_str()
    assert one.backend_tokenizer.to_str() != other.backend_tokenizer.to_str()


def test_no_text_is_refused():
    with pytest.raises(NotEnoughData, match="there is none"):
        train_tokenizer(["", ""], vocabulary=300)


EMOTES_IN = [
    "wow :_catWave: wow",
    ":_catWave::_catWave: streamerLove",
    "👩‍👩‍👧 hi",
    "streamerLove 🇯🇵 ok",
    "🇯🇵 LUL",
    "❤️",
]


def test_codes_words_with_a_capital_inside_and_whole_emoji_are_emotes():
    found = find_emotes(EMOTES_IN * 10, most=10)
    assert found == sorted(found, key=lambda e: (-sum(e in text for text in EMOTES_IN), e))
    assert set(found) == {":_catWave:", "streamerLove", "👩‍👩‍👧", "🇯🇵", "❤️"}
    assert find_emotes(EMOTES_IN * 5, most=10) == [":_catWave:", "streamerLove", "🇯🇵"]  # in ten texts
    assert find_emotes(EMOTES_IN * 10, most=1) == [":_catWave:"]
    assert find_emotes(EMOTES_IN * 10, most=0) == []
