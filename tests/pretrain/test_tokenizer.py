"""The chat's own tokenizer."""

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatlib.errors import NotEnoughData
from chatlib.pretrain.corpus import (
    SPECIAL_TOKENS,
    find_emotes,
    normalize_for_model,
    tokenize,
    train_tokenizer,
)

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
