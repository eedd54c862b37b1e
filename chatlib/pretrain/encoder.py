"""From messages to vectors: the mean of a language model's last layer over a message's tokens.

Each distinct text is computed once. Messages are sorted by their number of tokens and go
through the model in batches of about the same number of tokens, so almost nothing is padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from chatlib.errors import ParameterError
from chatlib.pretrain.device import autocast, pick_device
from chatlib.pretrain.language_model import LanguageModel, load_pretrained
from chatlib.workspace import progress_bar

__all__ = ["Encoder", "encoder_of", "load_encoder"]

_TOKENIZE_AT_ONCE = 20_000


class Encoder:
    """Messages to vectors. Get it from `load_encoder`, or `encoder_of` a model in memory."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_len: int = 128,
        tokens_per_batch: int = 4096,
    ) -> None:
        if max_len < 3 or tokens_per_batch < 1:
            raise ParameterError(
                f"A message has at least 3 tokens, a batch at least 1: got {max_len} and {tokens_per_batch}."
            )
        self.device = pick_device()
        self.model = model.to(self.device).eval()
        self.tokenizer = tokenizer
        self.max_len = min(max_len, tokenizer.model_max_length)
        self.tokens_per_batch = tokens_per_batch

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return int(self.model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return one vector per text: float32, shape (len(texts), dim).

        The mean over all tokens that the tokenizer gives, special ones included, cut at
        `max_len`. Equal to encoding one text at a time within 1e-4 (float32).
        """
        place: dict[str, int] = {}
        inverse = np.fromiter((place.setdefault(text, len(place)) for text in texts), np.int64)
        tokens = self._tokenize(list(place))
        vectors = np.empty((len(tokens), self.dim), np.float32)
        by_length = np.argsort([len(ids) for ids in tokens], kind="stable")
        with progress_bar(total=len(tokens), desc="encoding", unit="text", leave=False) as progress:
            for chosen in self._iter_batches(tokens, by_length):
                vectors[chosen] = self._encode_batch([tokens[i] for i in chosen])
                progress.update(len(chosen))
        return vectors[inverse]

    def _tokenize(self, texts: list[str]) -> list[np.ndarray]:
        tokens: list[np.ndarray] = []
        for start in range(0, len(texts), _TOKENIZE_AT_ONCE):
            encoded = self.tokenizer(
                texts[start : start + _TOKENIZE_AT_ONCE],
                truncation=True,
                max_length=self.max_len,
                split_special_tokens=True,  # who writes "[MASK]" in chat has written just that
                return_attention_mask=False,
                return_token_type_ids=False,
            )
            tokens.extend(np.asarray(ids, dtype=np.int32) for ids in encoded["input_ids"])
        return tokens

    def _iter_batches(self, tokens: Sequence[np.ndarray], by_length: np.ndarray) -> Iterator[np.ndarray]:
        """Yield indices of texts of about the same length, at most `tokens_per_batch` tokens in all."""
        start = 0
        while start < len(by_length):
            end = start + 1
            while end < len(by_length):
                n_tokens = (end + 1 - start) * len(tokens[by_length[end]])
                if n_tokens > self.tokens_per_batch:
                    break
                end += 1
            yield by_length[start:end]
            start = end

    @torch.inference_mode()
    def _encode_batch(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        lengths = np.array([len(row) for row in rows])
        ids = np.full((len(rows), lengths.max()), self.tokenizer.pad_token_id or 0, np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        mask = torch.from_numpy(np.arange(ids.shape[1]) < lengths[:, None]).to(self.device)
        with autocast(self.device):
            hidden = self.model(
                input_ids=torch.from_numpy(ids).to(self.device), attention_mask=mask.long()
            ).last_hidden_state
        weights = (mask / mask.sum(1, keepdim=True)).unsqueeze(2)
        return (hidden.float() * weights).sum(1).cpu().numpy()


def load_encoder(folder: str | Path, *, max_len: int = 128, tokens_per_batch: int = 4096) -> Encoder:
    """Return the encoder of a saved language model: a folder, or a hub id. Raises: ModelError."""
    model, tokenizer = load_pretrained(folder, AutoModel)
    return Encoder(model, tokenizer, max_len=max_len, tokens_per_batch=tokens_per_batch)


def encoder_of(lm: LanguageModel, *, max_len: int = 128, tokens_per_batch: int = 4096) -> Encoder:
    """Return the encoder of a language model in memory; they share their weights."""
    return Encoder(lm.model.base_model, lm.tokenizer, max_len=max_len, tokens_per_batch=tokens_per_batch)
