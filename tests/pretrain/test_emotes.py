"""Emotes as single tokens: found, added, and started from their pieces."""

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from chatlib.errors import ParameterError
from chatlib.pretrain.emotes import add_emotes, find_emotes
from chatlib.pretrain.language_model import LanguageModel, load_language_model, save_language_model
from chatlib.pretrain.tokenizer import tokenize, train_tokenizer

TEXTS = [
    "wow :_catWave: wow",
    ":_catWave::_catWave: streamerLove",
    "👩‍👩‍👧 hi",
    "streamerLove 🇯🇵 ok",
    "🇯🇵 LUL",
    "❤️",
]


@pytest.fixture
def plain():
    """A model whose tokenizer has seen no emote."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["some words of the language", "and some more words"] * 5, vocabulary=300)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    lm = LanguageModel(BertForMaskedLM(config), tokenizer, "test")
    with torch.no_grad():
        lm.model.get_output_embeddings().bias.normal_()
    return lm


def ids_of(lm, text):
    return tokenize(lm.tokenizer, [text], max_len=50)[0].tolist()


def test_codes_words_with_a_capital_inside_and_whole_emoji_are_emotes():
    found = find_emotes(TEXTS, most=10, min_count=1)
    assert found == sorted(found, key=lambda e: (-sum(e in text for text in TEXTS), e))
    assert set(found) == {":_catWave:", "streamerLove", "👩‍👩‍👧", "🇯🇵", "❤️"}
    assert find_emotes(TEXTS, most=10, min_count=2) == [":_catWave:", "streamerLove", "🇯🇵"]
    assert find_emotes(TEXTS, most=1, min_count=1) == [":_catWave:"]
    assert find_emotes(TEXTS, most=0) == []


def test_an_added_emote_is_one_token_that_starts_as_the_mean_of_its_pieces(plain):
    emotes = [":_catWave:", "streamerLove", "👩‍👩‍👧"]
    pieces = {emote: ids_of(plain, emote) for emote in emotes}
    assert min(map(len, pieces.values())) > 1
    assert add_emotes(plain, emotes) == emotes
    for emote, parts in pieces.items():
        (token,) = ids_of(plain, emote)
        for rows in (plain.model.get_input_embeddings().weight, plain.model.get_output_embeddings().bias):
            torch.testing.assert_close(rows[token], rows[parts].mean(0))
    assert ids_of(plain, "words:_catWave::_catWave: words").count(ids_of(plain, ":_catWave:")[0]) == 2
    assert ids_of(plain, "xstreamerLove") != ids_of(plain, "streamerLove")
    logits = plain.model(input_ids=torch.tensor([ids_of(plain, "words :_catWave:")])).logits
    assert logits.shape[-1] == len(plain.tokenizer)


def test_what_is_one_token_already_stays_and_twice_changes_nothing(plain):
    add_emotes(plain, ["streamerLove"])
    n_tokens, weights = len(plain.tokenizer), plain.model.get_input_embeddings().weight.clone()
    assert add_emotes(plain, ["streamerLove"]) == []
    assert add_emotes(plain, []) == []
    assert len(plain.tokenizer) == n_tokens
    assert torch.equal(plain.model.get_input_embeddings().weight, weights)


def test_saved_and_loaded_they_are_still_there(plain, tmp_path):
    add_emotes(plain, [":_catWave:"])
    loaded = load_language_model(save_language_model(plain, tmp_path / "m", manifest={}))
    assert ids_of(loaded, ":_catWave:") == ids_of(plain, ":_catWave:")
    assert len(ids_of(loaded, ":_catWave:")) == 1
    for name, weight in plain.model.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[name], weight)


def test_a_number_below_none_is_told():
    with pytest.raises(ParameterError, match="got -1"):
        find_emotes(TEXTS, most=-1)
