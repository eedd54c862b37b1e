"""Emotes and emoji as single tokens, on request.

A tokenizer trained elsewhere cuts `:_catWave:` or `streamerLove` into pieces that mean nothing
together, and knows few emoji. Each frequent one can become a token of its own, which starts as
the mean of its pieces.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from tokenizers import AddedToken
from torch import nn

from chatlib.errors import ParameterError
from chatlib.pretrain.language_model import LanguageModel
from chatlib.pretrain.tokenizer import tokenize

__all__ = ["add_emotes", "find_emotes"]

# A code of YouTube's; a word with a capital inside, as Twitch's emotes are called; an emoji with
# what belongs to it (skin tones, joiners, flags).
_CODE = r":_?[A-Za-z][A-Za-z0-9_\-]*:"
_CAMEL = r"\b[A-Za-z0-9]*[a-z][A-Z][A-Za-z0-9]*\b"
_PICTURE = "[\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff]"
_EMOJI = f"[\U0001f1e6-\U0001f1ff]{{2}}|{_PICTURE}[\ufe0f\U0001f3fb-\U0001f3ff]*(?:\u200d{_PICTURE}\ufe0f?)*"
_EMOTE = re.compile(f"{_CODE}|{_CAMEL}|{_EMOJI}")


def find_emotes(texts: Iterable[str], *, most: int, min_count: int = 10) -> list[str]:
    """Return up to `most` emotes and emoji that at least `min_count` texts have, most frequent first."""
    if most < 0:
        raise ParameterError(f"The number of emotes is a count, or 0 for none: got {most}.")
    counts = Counter(emote for text in texts for emote in set(_EMOTE.findall(text)))
    frequent = [(-n, emote) for emote, n in counts.items() if n >= min_count]
    return [emote for _, emote in sorted(frequent)[:most]]


@torch.no_grad()
def add_emotes(lm: LanguageModel, emotes: Sequence[str]) -> list[str]:
    """Make each emote one token of the model, in place; return those that were not one before.

    A new token's embedding, and its output weights and bias, are the mean of its pieces' (of an
    unknown emote, those of the unknown token).
    """
    pieces = dict(zip(emotes, tokenize(lm.tokenizer, emotes, max_len=64), strict=True))
    unknown = lm.tokenizer.unk_token_id
    new = [emote for emote in emotes if len(pieces[emote]) != 1 or pieces[emote][0] == unknown]
    if not new:
        return []
    parts = [torch.from_numpy(pieces[emote]) if len(pieces[emote]) else [unknown] for emote in new]
    words = [AddedToken(emote, single_word=emote[0].isalnum(), normalized=False) for emote in new]
    lm.tokenizer.add_tokens(words)
    ids = lm.tokenizer.convert_tokens_to_ids(new)
    n_rows = lm.model.get_input_embeddings().weight.shape[0]
    if max(ids) >= n_rows:
        lm.model.resize_token_embeddings(max(ids) + 1, mean_resizing=False)
    for tensor in _rows_by_token(lm.model):
        for token_id, part in zip(ids, parts, strict=True):
            tensor[token_id] = tensor[part].mean(0)
    return new


def _rows_by_token(model: nn.Module) -> list[torch.Tensor]:
    """Return the tensors with a row per token, each once: embeddings, output weights, output bias."""
    embeddings, output = model.get_input_embeddings().weight, model.get_output_embeddings()
    tensors = [embeddings]
    if output.weight is not embeddings:
        tensors.append(output.weight)
    if output.bias is not None:
        tensors.append(output.bias)
    return tensors
