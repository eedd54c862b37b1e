"""From messages to vectors: the mean of a language model's last layer over a message's tokens.

Each distinct text is computed once. Texts go through the model in portions that fit into memory, a
portion in batches of texts of about the same length, so that there is hardly any padding. The next
portion is tokenized while the model works. On a CPU each core computes batches of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from chatlib.ahead import map_ahead
from chatlib.errors import ModelError, ParameterError
from chatlib.pretrain.corpus import tokenize
from chatlib.pretrain.data import iter_token_batches, pad_rows
from chatlib.pretrain.device import autocast, pick_device, speed_up
from chatlib.pretrain.language_model import LanguageModel, load_pretrained
from chatlib.workspace import progress_bar

__all__ = ["Encoder", "encoder_of", "load_encoder"]

log = logging.getLogger(__name__)

_PORTION = 16_384  # distinct texts; sorting more of them together would save no padding worth it
_GPU_BATCH = 32_768  # tokens
_CPU_BATCH = 512  # tokens per core: with more there is more padding, with less Python is the limit


class Encoder:
    """Messages to vectors. Get it from `load_encoder`, or `encoder_of` a model in memory."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, max_len: int) -> None:
        if max_len < 3:
            raise ParameterError(f"max_len must be at least 3 tokens, two of them special: got {max_len}.")
        self.device = pick_device()
        self.model = speed_up(model.eval().to(self.device))
        if getattr(model, "pooler", None) is not None:
            model.pooler = None  # unused, and random in a model that was trained on masks
        self.tokenizer = tokenizer
        self.max_len = min(max_len, int(tokenizer.model_max_length))
        self.tokens_per_batch = _CPU_BATCH if self.device.type == "cpu" else _GPU_BATCH

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return int(self.model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return one vector per text: float32, shape (len(texts), dim).

        The mean over all tokens that the tokenizer gives, special ones included, cut at
        `max_len`; if it gives none, the unknown token's. Equal to encoding one text at a time
        within 1e-4 (float32). Where memory runs out, batches are halved from then on.

        Raises: ModelError if a vector is not finite.
        """
        self.model.to(self.device)  # training leaves the weights that they share on the CPU
        place: dict[str, int] = {}
        inverse = np.fromiter((place.setdefault(text, len(place)) for text in texts), np.int64)
        distinct = list(place)
        vectors = np.empty((len(distinct), self.dim), np.float32)
        with progress_bar(total=len(distinct), desc="encoding", unit="text", leave=False) as progress:
            for start, tokens in self._iter_portions(distinct):
                for chosen, computed in self._iter_vectors(tokens):
                    vectors[start + chosen] = computed
                    progress.update(len(chosen))
        if not np.isfinite(vectors).all():
            raise ModelError("A message's vector must be finite, and this model's are not. Train it again.")
        return vectors[inverse]

    def _iter_portions(self, texts: list[str]) -> Iterator[tuple[int, list[np.ndarray]]]:
        """Yield where each portion starts and its token ids; the next ones are tokenized meanwhile."""
        starts = range(0, len(texts), _PORTION)
        portions = (texts[start : start + _PORTION] for start in starts)
        yield from zip(starts, map_ahead(self._tokenize, portions), strict=True)

    def _iter_vectors(self, tokens: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield indices of texts and their vectors, a batch at a time, the longest texts first."""
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        batches = list(iter_token_batches(lengths, max_tokens=self.tokens_per_batch))[::-1]
        rows = ([tokens[i] for i in chosen] for chosen in batches)
        n_threads = torch.get_num_threads()
        n_workers = n_threads if self.device.type == "cpu" and len(batches) > 1 else 0
        encode = self._encode_on_one_core if n_workers else self._encode_batch
        try:
            yield from zip(batches, map_ahead(encode, rows, workers=n_workers), strict=True)
        finally:
            torch.set_num_threads(n_threads)

    def _tokenize(self, texts: list[str]) -> list[np.ndarray]:
        whole = [text.encode("utf-8", "replace").decode() for text in texts]  # "?" for half a character
        unknown = np.array([self.tokenizer.unk_token_id or 0])
        found = tokenize(self.tokenizer, whole, max_len=self.max_len, special=True)
        return [ids if len(ids) else unknown for ids in found]

    def _encode_on_one_core(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        torch.set_num_threads(1)
        return self._encode_batch(rows)

    def _encode_batch(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        try:
            return self._run_model(rows)
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise
        self.tokens_per_batch = max(1, self.tokens_per_batch // 2)
        log.warning("out of memory: going on with %d tokens a batch", self.tokens_per_batch)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        half = len(rows) // 2
        return np.concatenate([self._encode_batch(rows[:half]), self._encode_batch(rows[half:])])

    @torch.inference_mode()
    def _run_model(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        ids, is_token = pad_rows(rows, fill=self.tokenizer.pad_token_id or 0)
        mask = torch.from_numpy(is_token).to(self.device)
        with autocast(self.device):
            hidden = self.model(
                input_ids=torch.from_numpy(ids).to(self.device),
                attention_mask=None if is_token.all() else mask.long(),
            ).last_hidden_state
        weights = (mask / mask.sum(1, keepdim=True)).unsqueeze(2)
        return (hidden.float() * weights).sum(1).cpu().numpy()


def load_encoder(folder: str | Path, *, max_len: int = 128) -> Encoder:
    """Return the encoder of a saved language model: a folder, or a hub id. Raises: ModelError."""
    model, tokenizer = load_pretrained(folder, AutoModel)
    return Encoder(model, tokenizer, max_len=max_len)


def encoder_of(lm: LanguageModel, *, max_len: int = 128) -> Encoder:
    """Return the encoder of a language model in memory; they share their weights."""
    base = lm.model.base_model
    assert isinstance(base, PreTrainedModel)
    return Encoder(base, lm.tokenizer, max_len=max_len)
