"""On real chat the small model learns what word counts cannot, and messages near in time are alike."""

import pytest

from chatlib.collect.files.importing import import_chats
from chatlib.pretrain import coherence, corpus, encoder, language_model
from chatlib.pretrain import training as masked_lm
from chatlib.pretrain.device import seed_torch
from chatlib.store import open_store
from tests.places import CHANNEL_2023

CHANNEL = CHANNEL_2023


@pytest.mark.real
@pytest.mark.timeout(1200)
def test_a_channel_is_learnt(tmp_path):
    if not CHANNEL.is_dir():
        pytest.skip("no ../shared/data beside the repository")
    with open_store(tmp_path / "db", create=True) as db:
        import_chats(db, [CHANNEL], limit=30)
        chat = corpus.build_corpus(db, max_messages=40_000)
    seed_torch(0)
    lm = language_model.new_language_model(chat.train["text"].tolist())
    data = masked_lm.make_data(chat, lm.tokenizer)
    last = masked_lm.train(lm, data, masked_lm.TrainSettings(epochs=2)).iloc[-1]
    for kind, unigram in masked_lm.score_reference(lm, data).items():
        assert last[f"{kind}_perplexity"] < 0.7 * unigram.perplexity

    probe = coherence.sample_messages(chat.held_out)
    vectors = encoder.encoder_of(lm).encode(probe["text"].tolist())
    similarity = coherence.measure_coherence(probe, vectors).table["similarity"]
    assert similarity.iloc[:3].mean() > 0.01
    assert abs(similarity.iloc[-1]) < 0.01
