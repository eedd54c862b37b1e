"""From messages to vectors: the mean of a language model's last layer over a message's tokens.

Each distinct text is computed once, and never again if there is a cache. Texts go through the
model in portions that fit into memory; of a portion, sorted by their number of tokens, in
batches of about the same number of tokens, so almost nothing is padding. The next portion is
tokenized while the model works. On a CPU each core computes batches of its own (`device`).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from chatlib.errors import ParameterError
from chatlib.pretrain.data import iter_token_batches, pad_rows
from chatlib.pretrain.device import autocast, move_model, open_workers, pick_device
from chatlib.pretrain.language_model import LanguageModel, load_pretrained
from chatlib.pretrain.vector_cache import VectorCache, text_digest
from chatlib.workspace import progress_bar

__all__ = ["Encoder", "encoder_of", "load_encoder"]

log = logging.getLogger(__name__)

_PORTION = 16_384  # distinct texts; sorting more of them together would save no padding worth it
_GPU_BATCH = 32_768  # tokens
_CPU_BATCH = 512  # tokens per core: with more there is more padding, with less Python is the limit


class Encoder:
    """Messages to vectors. Get it from `load_encoder`, or `encoder_of` a model in memory."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_len: int = 128,
        tokens_per_batch: int = 0,
        cache: str | Path | None = None,
    ) -> None:
        if max_len < 3 or tokens_per_batch < 0:
            raise ParameterError(
                "A message has at least 3 tokens, a batch at least 1 (0: as many as are fast here): "
                f"got {max_len} and {tokens_per_batch}."
            )
        self.device = pick_device()
        self.model = model.eval()
        move_model(model, self.device)
        if getattr(model, "pooler", None) is not None:
            # Unused, and random in a model that was trained on masks.
            model.pooler = None  # type: ignore[assignment]
        self.tokenizer = tokenizer
        self.max_len = min(max_len, tokenizer.model_max_length)
        self.tokens_per_batch = tokens_per_batch or (_CPU_BATCH if self.device.type == "cpu" else _GPU_BATCH)
        self.cache = None
        if cache is not None:
            self.cache = VectorCache(cache, model_key=self._identify(), dim=self.dim)

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return int(self.model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return one vector per text: float32, shape (len(texts), dim).

        The mean over all tokens that the tokenizer gives, special ones included, cut at
        `max_len`; if it gives none, the unknown token's. Equal to encoding one text at a time
        within 1e-4 (float32). Where memory runs out, batches are halved from then on.
        """
        move_model(self.model, self.device)  # training left the weights that they share on the CPU
        place: dict[str, int] = {}
        inverse = np.fromiter((place.setdefault(text, len(place)) for text in texts), np.int64)
        distinct = list(place)
        vectors = np.empty((len(distinct), self.dim), np.float32)
        with progress_bar(total=len(distinct), desc="encoding", unit="text", leave=False) as progress:
            missing = self._fill_from_cache(distinct, vectors)
            progress.update(len(distinct) - len(missing))
            for portion, tokens in self._iter_portions(distinct, missing):
                for chosen, computed in self._iter_vectors(tokens):
                    vectors[portion[chosen]] = computed
                    progress.update(len(chosen))
                if self.cache is not None:
                    self.cache.append([text_digest(distinct[i]) for i in portion], vectors[portion])
        return vectors[inverse]

    def _fill_from_cache(self, texts: Sequence[str], vectors: np.ndarray) -> np.ndarray:
        """Fill in what the cache has; return the indices of what it has not."""
        if self.cache is None or not texts:
            return np.arange(len(texts))
        rows = self.cache.find([text_digest(text) for text in texts])
        vectors[rows >= 0] = self.cache.load(rows[rows >= 0])
        return np.flatnonzero(rows < 0)

    def _iter_portions(
        self, texts: Sequence[str], indices: np.ndarray
    ) -> Iterator[tuple[np.ndarray, list[list[int]]]]:
        """Yield indices and their token ids; the next portion is tokenized meanwhile."""
        portions = [indices[i : i + _PORTION] for i in range(0, len(indices), _PORTION)]
        with ThreadPoolExecutor(1) as pool:
            ahead = [pool.submit(self._tokenize, [texts[i] for i in p]) for p in portions[:1]]
            for number, portion in enumerate(portions):
                tokens = ahead.pop().result()
                for following in portions[number + 1 : number + 2]:
                    ahead.append(pool.submit(self._tokenize, [texts[i] for i in following]))
                yield portion, tokens

    def _iter_vectors(self, tokens: Sequence[Sequence[int]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield indices of texts and their vectors, a batch at a time, the longest texts first."""
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        batches = list(iter_token_batches(lengths, max_tokens=self.tokens_per_batch))[::-1]
        rows = ([tokens[i] for i in chosen] for chosen in batches)
        n_workers = torch.get_num_threads() if self.device.type == "cpu" and len(batches) > 1 else 1
        with open_workers(n_workers) as run:
            yield from zip(batches, run(self._encode_batch, rows), strict=True)

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        tokens = self.tokenizer(
            [text.encode("utf-8", "replace").decode() for text in texts],  # "?" for half a character
            truncation=True,
            max_length=self.max_len,
            split_special_tokens=True,  # "[MASK]" in chat is text
            return_attention_mask=False,
            return_token_type_ids=False,
        )["input_ids"]
        return [ids or [self.tokenizer.unk_token_id or 0] for ids in tokens]

    def _encode_batch(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
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
    def _run_model(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        ids, is_token = pad_rows(rows, fill=self.tokenizer.pad_token_id or 0)
        mask = torch.from_numpy(is_token).to(self.device)
        with autocast(self.device):
            hidden = self.model(
                input_ids=torch.from_numpy(ids).to(self.device),
                attention_mask=None if is_token.all() else mask.long(),
            ).last_hidden_state
        weights = (mask / mask.sum(1, keepdim=True)).unsqueeze(2)
        return (hidden.float() * weights).sum(1).cpu().numpy()

    def _identify(self) -> str:
        """Return a digest of everything that a vector depends on but the text."""
        config = self.model.config.to_dict()
        kept = {
            key: value
            for key, value in config.items()
            if key not in ("_name_or_path", "transformers_version")
        }
        backend = self.tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        precision = type(autocast(self.device)).__name__
        parts = (repr(self.max_len), precision, repr(sorted(kept.items(), key=str)), backend.to_str())
        digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=16)
        for name, weight in self.model.state_dict().items():
            digest.update(name.encode())
            digest.update(weight.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()


def load_encoder(
    folder: str | Path,
    *,
    max_len: int = 128,
    tokens_per_batch: int = 0,
    cache: str | Path | None = None,
) -> Encoder:
    """Return the encoder of a saved language model: a folder, or a hub id.

    `tokens_per_batch` 0 chooses what is fast on this machine. `cache` is a folder
    where vectors are kept, for all models; None keeps none.
    Raises: ModelError.
    """
    model, tokenizer = load_pretrained(folder, AutoModel)
    return Encoder(model, tokenizer, max_len=max_len, tokens_per_batch=tokens_per_batch, cache=cache)


def encoder_of(lm: LanguageModel, *, max_len: int = 128, tokens_per_batch: int = 0) -> Encoder:
    """Return the encoder of a language model in memory; they share their weights."""
    base = lm.model.base_model
    assert isinstance(base, PreTrainedModel)
    return Encoder(base, lm.tokenizer, max_len=max_len, tokens_per_batch=tokens_per_batch)
