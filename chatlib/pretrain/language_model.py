"""A masked language model and its tokenizer: made from scratch, loaded, saved.

A saved model is a folder that `from_pretrained` reads: weights as safetensors, the tokenizer,
and `training.json`, which is written last, so that its existence means that all is there.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import huggingface_hub
import torch
from torch import nn
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from chatlib.errors import ModelError, ParameterError
from chatlib.files import atomic_write
from chatlib.pretrain.fast_linear import speed_up
from chatlib.pretrain.tokenizer import check_special_tokens, train_tokenizer
from chatlib.workspace import resolve_path

__all__ = [
    "MANIFEST",
    "LanguageModel",
    "MaskedHead",
    "load_language_model",
    "load_manifest",
    "load_pretrained",
    "new_language_model",
    "open_language_model",
    "save_language_model",
]

log = logging.getLogger(__name__)

MANIFEST = "training.json"
SCRATCH = "scratch"
_HUB_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class LanguageModel:
    """A masked language model, its tokenizer, and what it was made from."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    base: str

    @property
    def n_parameters(self) -> int:
        """The number of weights, each counted once."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def from_scratch(self) -> bool:
        """Whether it started from random weights."""
        return self.base == SCRATCH


class MaskedHead(nn.Module):
    """A masked language model whose head is computed at asked positions only.

    Works for every architecture whose head reads the first output of its base model.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self._asked = threading.local()  # several threads may ask at once
        self._hook = model.base_model.register_forward_hook(self._keep_asked)

    def forward(
        self, input_ids: torch.Tensor, positions: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return logits, shape (n_positions, vocabulary).

        `positions` index the flattened (batch, length) grid of `input_ids`.
        """
        self._asked.positions = positions
        try:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits[0]
        finally:
            self._asked.positions = None

    def close(self) -> None:
        """Give the model back as it was."""
        self._hook.remove()

    def _keep_asked(self, module: nn.Module, inputs: object, output: Mapping) -> Mapping:
        positions = getattr(self._asked, "positions", None)
        if positions is not None:
            hidden = output["last_hidden_state"]
            output["last_hidden_state"] = hidden.flatten(0, 1)[positions].unsqueeze(0)
        return output


def open_language_model(
    base: str, texts: Sequence[str], *, vocabulary: int = 6000, layers: int = 3, width: int = 128
) -> LanguageModel:
    """Return the model to start from: `"scratch"`, a local folder, or a hub id.

    The sizes and the texts (for the tokenizer) count only from scratch.
    """
    if base == SCRATCH:
        return new_language_model(texts, vocabulary=vocabulary, layers=layers, width=width)
    return load_language_model(base)


def new_language_model(
    texts: Sequence[str], *, vocabulary: int = 6000, layers: int = 3, width: int = 128, max_len: int = 512
) -> LanguageModel:
    """Return an untrained small ModernBERT with a tokenizer trained on these texts.

    Its first layer sees the whole block, the others four tokens to each side, and the weights
    start larger than is usual for wide models: with either of them otherwise, a model of this
    size stays near word frequencies for longer than a chat lasts. Seed torch before.
    Source: Warner et al., Smarter, Better, Faster, Longer, arXiv 2412.13663.
    """
    head_width = 32
    if width < head_width or width % head_width or layers < 1:
        raise ParameterError(
            f"The width is a multiple of {head_width} and there is a layer: got {width} and {layers}."
        )
    tokenizer = train_tokenizer(texts, vocabulary=vocabulary, max_len=max_len)
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=-(-width * 8 // 3 // 32) * 32,
        num_hidden_layers=layers,
        num_attention_heads=width // head_width,
        max_position_embeddings=max_len,
        local_attention=8,
        global_attn_every_n_layers=layers,
        initializer_range=0.06,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )
    return LanguageModel(speed_up(ModernBertForMaskedLM(config)), tokenizer, SCRATCH)


def load_language_model(base: str | Path) -> LanguageModel:
    """Return a masked language model from a local folder or the hub.

    Raises: ModelError if there is none, or it does not fit its tokenizer.
    """
    model, tokenizer = load_pretrained(base, AutoModelForMaskedLM)
    check_special_tokens(tokenizer, name=str(base))
    return LanguageModel(model, tokenizer, str(base))


def load_pretrained(base: str | Path, auto_model: type) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a model of a kind (an `AutoModel…` class) and its tokenizer.

    A relative folder starts at the project. Only safetensors are read. A hub id that is not in
    the local cache is fetched, or refused within seconds where there is no network.
    Raises: ModelError.
    """
    folder = resolve_path(base)
    local = folder.is_dir()
    source = str(folder) if local else str(base)
    if not local and not _is_hub_id(source):
        raise ModelError(f"A model is a folder or a hub id, and there is no folder {folder}. {_ALTERNATIVE}")
    try:
        with _quiet_transformers():
            if not local:
                _require_reachable(source, auto_model)
            model = auto_model.from_pretrained(source, use_safetensors=True)
            tokenizer = AutoTokenizer.from_pretrained(source)
    except ModelError:
        raise
    except Exception as error:  # transformers, safetensors and tokenizers have no root in common
        raise ModelError(
            f"A model folder has config.json, model.safetensors and a tokenizer; {source} could not be "
            f"read ({_first_line(error)}). {_ALTERNATIVE}"
        ) from error
    _check_fit(model, tokenizer, source)
    return speed_up(model), tokenizer


def save_language_model(lm: LanguageModel, folder: str | Path, *, manifest: Mapping[str, object]) -> Path:
    """Write model, tokenizer and last `training.json` (the manifest and the versions); return the folder.

    What was there before is replaced; killed half-way, the folder has no manifest.
    """
    folder = Path(folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with _quiet_transformers():
        lm.model.save_pretrained(folder)
        lm.tokenizer.save_pretrained(folder)
    packages = ("torch", "transformers", "tokenizers")
    full = {**manifest, "versions": {name: version(name) for name in packages}}
    atomic_write(folder / MANIFEST, json.dumps(full, indent=2, ensure_ascii=False) + "\n")
    return folder


def load_manifest(folder: str | Path) -> dict[str, object]:
    """Return what a saved model says of its training. Raises: ModelError if it is not complete."""
    path = Path(folder) / MANIFEST
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"A trained chat model has a {MANIFEST}, written last; there is no whole one in {folder}. "
            "Run notebook 03 to its end."
        ) from error


_ALTERNATIVE = 'Name a folder with a BERT-like model, or train one from this chat: BASE_MODEL = "scratch".'


def _is_hub_id(name: str) -> bool:
    return name.count("/") <= 1 and not name.startswith((".", "/", "~")) and "\\" not in name


def _require_reachable(hub_id: str, auto_model: type) -> None:
    """Raise ModelError unless the model is in the local cache or the hub answers, in seconds."""
    try:
        auto_model.from_pretrained(hub_id, use_safetensors=True, local_files_only=True)
        AutoTokenizer.from_pretrained(hub_id, local_files_only=True)
        return
    except Exception:
        log.info("%s is not in the local cache; asking the hub", hub_id)
    try:
        huggingface_hub.HfApi().model_info(hub_id, timeout=_HUB_TIMEOUT_S)
    except Exception as error:
        raise ModelError(
            f"{hub_id} is no folder here, and the hub did not give it ({_first_line(error)}). {_ALTERNATIVE}"
        ) from error


def _check_fit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    n_rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > n_rows:
        raise ModelError(
            f"A tokenizer fits a model that has a row for each of its tokens; in {name} it has "
            f"{len(tokenizer)} and the model {n_rows}. Take both from the same place."
        )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


class _quiet_transformers:
    """Silence progress bars and reports of transformers."""

    def __enter__(self) -> None:
        self._level = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()

    def __exit__(self, *exc_info: object) -> None:
        transformers_logging.set_verbosity(self._level)
        transformers_logging.enable_progress_bar()
