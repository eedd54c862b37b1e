"""On real chat the small model learns what word counts cannot, and messages near in time are alike."""

import pytest

from chatlib.collect.files.importing import import_chats
from chatlib.pretrain import TrainSettings, coherence, encoder, training
from chatlib.pretrain.corpus import build_corpus
from chatlib.pretrain.data import make_data
from chatlib.pretrain.device import seed_torch
from chatlib.pretrain.language_model import new_language_model
from chatlib.store import open_store
from tests.places import CHANNEL_2023

SETTINGS = TrainSettings(messages=40_000, epochs=2)


@pytest.mark.real
@pytest.mark.timeout(1200)
def test_a_channel_is_learnt(tmp_path):
    if not CHANNEL_2023.is_dir():
        pytest.skip("no ../shared/data beside the repository")
    with open_store(tmp_path / "db", create=True) as db:
        import_chats(db, [CHANNEL_2023], limit=30)
        chat = build_corpus(db, SETTINGS)
    seed_torch(0)
    lm = new_language_model(chat.train["text"].tolist(), SETTINGS)
    data = make_data(chat, lm.tokenizer, SETTINGS)
    last = training.train(lm, data, SETTINGS, checkpoint=tmp_path / "unfinished").iloc[-1]
    for kind, unigram in training.score_reference(lm, data).items():
        assert last[f"{kind}_perplexity"] < 0.7 * unigram.perplexity

    probe = coherence.sample_messages(chat.held_out)
    vectors = encoder.encoder_of(lm).encode(probe["text"].tolist())
    similarity = coherence.measure_coherence(probe, vectors).table["similarity"]
    assert similarity.iloc[:3].mean() > 0.01
    assert abs(similarity.iloc[-1]) < 0.01
