"""Messages as vectors: what one at a time gives, in less time."""

import threading
import time

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast

from chatlib.errors import ParameterError
from chatlib.pretrain.corpus import SPECIAL_TOKENS
from chatlib.pretrain.encoder import encoder_of, load_encoder
from chatlib.pretrain.language_model import LanguageModel, save_language_model
from tests.pretrain.chats import make_bert

TEXTS = ["the cat", "", "a bird sees green trees", "草", "the cat", "the dog " * 100, ":_cat:", "x"] * 3
ODD_TEXTS = ["   ", "\u200b", "a" * 10_000, "草" * 10_000, "words " * 2000, "a\0b", "𒀀𒀁", "x" * 9999 + " y"]


@pytest.fixture(params=["modern", "bert"])
def folder(request, lm, tmp_path):
    model = lm.model
    if request.param == "bert":
        model = make_bert(len(lm.tokenizer))
    return save_language_model(LanguageModel(model, lm.tokenizer, "test"), tmp_path / "model", manifest={})


def encode_one_at_a_time(folder, texts, *, max_len=128):
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    vectors = []
    with torch.no_grad():
        for text in texts:
            ids = tokenizer(text, truncation=True, max_length=max_len, return_tensors="pt")["input_ids"]
            vectors.append(model(input_ids=ids).last_hidden_state[0].mean(0).numpy())
    return np.stack(vectors)


@pytest.mark.parametrize(("tokens_per_batch", "portion"), [(1, 100), (40, 2), (4096, 100)])
def test_batches_give_what_one_at_a_time_gives(folder, tokens_per_batch, portion, monkeypatch):
    monkeypatch.setattr("chatlib.pretrain.encoder._PORTION", portion)
    encoder = load_encoder(folder)
    encoder.tokens_per_batch = tokens_per_batch
    vectors = encoder.encode([*TEXTS, *ODD_TEXTS])
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS) + len(ODD_TEXTS), encoder.dim) == (32, 32)
    np.testing.assert_allclose(vectors, encode_one_at_a_time(folder, [*TEXTS, *ODD_TEXTS]), atol=1e-4)
    assert encoder.encode([]).shape == (0, 32)


@pytest.fixture
def folder_of_words(tmp_path):
    """A BERT whose tokenizer knows three words, and of all else that it is unknown."""
    vocabulary = {token: i for i, token in enumerate([*SPECIAL_TOKENS, "the", "cat", "a"])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    pad, unk, cls, sep, mask = SPECIAL_TOKENS
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token=pad, unk_token=unk, cls_token=cls, sep_token=sep, mask_token=mask
    )
    lm = LanguageModel(make_bert(len(vocabulary)), tokenizer, "test")
    return save_language_model(lm, tmp_path / "words", manifest={})


def test_texts_of_unknown_characters_or_of_none_are_alike_and_not_other_texts(folder_of_words):
    known, *unknown = load_encoder(folder_of_words).encode(["cat", "草", "𒀀", "☃", ""])
    np.testing.assert_allclose(unknown, [unknown[0]] * 4, atol=1e-5)
    assert not np.allclose(known, unknown[0], atol=1e-3)
    np.testing.assert_allclose(load_encoder(folder_of_words).encode([""])[0], unknown[0], atol=1e-5)


def test_half_a_character_is_a_question_mark(folder):
    half, mark = load_encoder(folder).encode(["cat \ud83d", "cat ?"])
    np.testing.assert_allclose(half, mark, atol=1e-5)


def test_each_text_is_computed_once_and_batches_keep_to_the_budget(folder):
    encoder = load_encoder(folder, max_len=16)
    encoder.tokens_per_batch = 60
    shapes = []
    encoder.model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    encoder.encode(TEXTS * 50)
    assert sum(n for n, _ in shapes) == len(set(TEXTS)) == 7
    assert all(n * length <= 60 for n, length in shapes)
    assert max(length for _, length in shapes) == 16


def test_where_memory_runs_out_batches_are_halved(folder, monkeypatch, caplog):
    whole = load_encoder(folder).encode(TEXTS)
    encoder = load_encoder(folder)
    encoder.tokens_per_batch = 4096
    real, sizes = encoder._run_model, []

    def run_only_two(rows):
        if len(rows) > 2:
            raise torch.OutOfMemoryError("no room")
        sizes.append(len(rows))
        return real(rows)

    monkeypatch.setattr(encoder, "_run_model", run_only_two)
    np.testing.assert_allclose(encoder.encode(TEXTS), whole, atol=1e-5)
    assert sum(sizes) == 7
    assert encoder.tokens_per_batch < 4096
    assert "going on with 2048 tokens a batch" in caplog.text
    monkeypatch.setattr(
        encoder, "_run_model", lambda rows: (_ for _ in ()).throw(torch.OutOfMemoryError("none"))
    )
    with pytest.raises(torch.OutOfMemoryError):
        encoder.encode(["x"])


def test_an_impossible_length_is_refused(lm):
    with pytest.raises(ParameterError, match="at least 3 tokens"):
        encoder_of(lm, max_len=2)


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_cores_share_the_batches_and_threads_are_given_back(folder, threads):
    encoder = load_encoder(folder)
    encoder.tokens_per_batch = 16
    texts = [f"{text} {i}" for i, text in enumerate(TEXTS * 4)]
    used = set()
    encoder.model.register_forward_pre_hook(
        lambda *_: used.add((threading.get_ident(), torch.get_num_threads()))
    )
    vectors = encoder.encode(texts)
    np.testing.assert_allclose(vectors, encode_one_at_a_time(folder, texts), atol=1e-4)
    assert threading.get_ident() not in {thread for thread, _ in used}
    assert {n for _, n in used} == {1}


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_a_core_that_fails_stops_the_others(folder, threads, monkeypatch):
    encoder = load_encoder(folder)
    encoder.tokens_per_batch = 1
    calls = []

    def stop_at_the_third(rows):
        calls.append(rows)
        if len(calls) == 3:
            raise KeyboardInterrupt
        time.sleep(0.01)
        return np.zeros((len(rows), 32), np.float32)

    monkeypatch.setattr(encoder, "_encode_batch", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        encoder.encode([str(i) for i in range(1000)])
    assert len(calls) < 500


def test_a_model_in_memory_and_on_disk_encode_the_same(lm, tmp_path):
    folder = save_language_model(lm, tmp_path / "model", manifest={})
    np.testing.assert_allclose(encoder_of(lm).encode(TEXTS), load_encoder(folder).encode(TEXTS), atol=1e-5)
