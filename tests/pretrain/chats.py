"""A chat of ten streams that says little, so that a tiny model can learn it in seconds."""

import random

from chatlib.pretrain import TrainSettings
from chatlib.records import Message, Stream

SMALL = TrainSettings(vocabulary=400, layers=1, width=32, block_len=32)

_SUBJECTS = ["the cat", "the dog", "a bird", "my fish", "the frog"]
_VERBS = ["sees", "eats", "likes", "draws"]
_THINGS = ["red apples", "green trees", "blue water", "a :_cat: emote", "おいしい魚"]


def make_stream(number):
    return Stream("youtube", f"v{number}", started_at=f"2026-01-{number + 1:02}")


def make_chat(number, *, n=120):
    rng = random.Random(number)
    return [
        Message(f"m{i}", "text_message", float(i), f"a{rng.randrange(20)}", None, _write_text(rng))
        for i in range(n)
    ]


def make_bert(vocab_size, **sizes):
    """Return an untrained BERT of the smallest size."""
    from transformers import BertConfig, BertForMaskedLM

    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    return BertForMaskedLM(BertConfig(vocab_size=vocab_size, **small, **sizes))


def weights_of(lm):
    import torch

    return torch.cat([p.detach().flatten() for p in lm.model.parameters()])


def _write_text(rng):
    # The thing follows from the subject: what a model can learn and word counts cannot.
    subject = rng.randrange(len(_SUBJECTS))
    return f"{_SUBJECTS[subject]} {rng.choice(_VERBS)} {_THINGS[subject]} {rng.randrange(300)}"
