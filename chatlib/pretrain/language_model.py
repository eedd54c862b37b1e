"""A masked language model and its tokenizer: made from scratch, loaded, saved.

A saved model is a folder that `from_pretrained` reads: weights as safetensors, the tokenizer,
and `training.json`, the manifest. Folders are replaced as a whole.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from tokenizers import AddedToken
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
from chatlib.files import atomic_folder
from chatlib.pretrain import SCRATCH, TrainSettings
from chatlib.pretrain.corpus import MAX_LEN, check_special_tokens, tokenize, train_tokenizer
from chatlib.text import one_line
from chatlib.workspace import resolve_path

__all__ = [
    "MANIFEST",
    "LanguageModel",
    "MaskedHead",
    "add_emotes",
    "load_language_model",
    "load_manifest",
    "load_pretrained",
    "new_language_model",
    "open_language_model",
    "save_language_model",
]

log = logging.getLogger(__name__)
transformers_logging.set_verbosity_error()  # what a folder lacks is said by an error here, once
transformers_logging.disable_progress_bar()

MANIFEST = "training.json"
_HUB_TIMEOUT_S = 5.0
_HEAD_WIDTH = 32
_MAX_SIZE, _MAX_LAYERS = 5_000_000, 500  # in a model's configuration
_MIN_LEN, _PROBE_LEN = 8, 64  # tokens that a model must read, and does so on trial


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
    """A masked language model whose head is computed at chosen positions only.

    Works for every architecture whose head reads the first output of its base model.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self._positions: torch.Tensor | None = None
        self._hook = model.base_model.register_forward_hook(self._keep_chosen)

    def forward(
        self, input_ids: torch.Tensor, positions: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return logits, shape (n_positions, vocabulary).

        `positions` index the flattened (batch, length) grid of `input_ids`.
        """
        self._positions = positions
        try:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits[0]
        finally:
            self._positions = None

    def close(self) -> None:
        """Take the hook off the model."""
        self._hook.remove()

    def _keep_chosen(self, module: nn.Module, inputs: object, output: dict[str, Any]) -> dict[str, Any]:
        if self._positions is not None:
            hidden = output["last_hidden_state"]
            output["last_hidden_state"] = hidden.flatten(0, 1)[self._positions].unsqueeze(0)
        return output


def open_language_model(texts: Sequence[str], settings: TrainSettings) -> LanguageModel:
    """Return the model to start from: `settings.base` is `"scratch"`, a local folder, or a hub id.

    The sizes and the texts (for the tokenizer) count only from scratch.
    """
    if settings.base == SCRATCH:
        return new_language_model(texts, settings)
    return load_language_model(settings.base)


def new_language_model(texts: Sequence[str], settings: TrainSettings) -> LanguageModel:
    """Return an untrained small ModernBERT with a tokenizer trained on these texts.

    Its first layer sees the whole block, the others four tokens to each side, and the weights start
    larger than is usual for wide models: without either, a model of this size learns little more than
    word frequencies from the chat of a channel. Seed torch first.
    Source: Warner et al., Smarter, Better, Faster, Longer, arXiv 2412.13663.
    """
    width, layers = settings.width, settings.layers
    if width < _HEAD_WIDTH or width % _HEAD_WIDTH or layers < 1:
        raise ParameterError(
            f"The width must be a multiple of {_HEAD_WIDTH} and the layers at least 1: "
            f"got {width} and {layers}."
        )
    tokenizer = train_tokenizer(texts, vocabulary=settings.vocabulary)
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=-(-width * 8 // 3 // 32) * 32,
        num_hidden_layers=layers,
        num_attention_heads=width // _HEAD_WIDTH,
        max_position_embeddings=MAX_LEN,
        local_attention=8,
        global_attn_every_n_layers=layers,  # an older name of layer_types
        initializer_range=0.06,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )
    return LanguageModel(ModernBertForMaskedLM(config), tokenizer, SCRATCH)


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
    words = [AddedToken(emote, single_word=emote[0].isalnum(), normalized=False) for emote in new]
    lm.tokenizer.add_tokens(words)
    vocabulary = lm.tokenizer.get_vocab()
    ids = [vocabulary[emote] for emote in new]
    if max(ids) >= _embeddings(lm.model).shape[0]:
        lm.model.resize_token_embeddings(max(ids) + 1, mean_resizing=False)
    for tensor in _rows_by_token(lm.model):
        for token_id, emote in zip(ids, new, strict=True):
            parts = pieces[emote].tolist() or [unknown]
            tensor[token_id] = tensor[parts].mean(0)
    return new


def load_language_model(base: str | Path) -> LanguageModel:
    """Return a masked language model from a local folder or the hub.

    Raises: ModelError if there is none, or it does not fit its tokenizer.
    """
    model, tokenizer = load_pretrained(base, AutoModelForMaskedLM)
    check_special_tokens(tokenizer, name=str(base))
    return LanguageModel(model, tokenizer, str(base))


def load_pretrained(base: str | Path, auto_model: Any) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a model of a kind (an `AutoModel…` class) and its tokenizer.

    A relative folder starts at the project. Only safetensors are read, and no code of a model is run. A
    hub id that is not in the local cache is fetched, or refused within seconds without a network.

    Raises: ModelError, also for weights that are missing, not finite or of another model.
    """
    folder = resolve_path(base)
    is_folder = folder.is_dir()
    source = str(folder) if is_folder else str(base)
    if is_folder:
        _check_config(folder)
    elif not _is_hub_id(source):
        raise ModelError(f"A model is a folder or a hub id, and there is no folder {folder}. {_ALTERNATIVE}")
    try:
        model, tokenizer = _load(source, auto_model, local_files_only=True)
    except ModelError:
        if is_folder:
            raise
        _require_reachable(source)
        model, tokenizer = _load(source, auto_model)
    return model, tokenizer


def save_language_model(lm: LanguageModel, folder: str | Path, *, manifest: Mapping[str, object]) -> Path:
    """Write model, tokenizer and `training.json` (the manifest and the versions); return the folder.

    It replaces what was there as a whole; killed half-way, what was there stays.
    Raises: StoreFull or UnwritableFile.
    """
    versions = {name: version(name) for name in ("torch", "transformers", "tokenizers")}
    text = json.dumps({**manifest, "versions": versions}, indent=2, ensure_ascii=False)
    with atomic_folder(folder) as part:
        lm.model.save_pretrained(part)
        lm.tokenizer.save_pretrained(part)
        (part / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return Path(folder)


def load_manifest(folder: str | Path) -> dict[str, Any]:
    """Return the manifest of a saved model. Raises: ModelError if it is missing or damaged."""
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(manifest, dict):
            return manifest
        raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"A trained chat model has a {MANIFEST}; there is no whole one in {folder} "
            f"({one_line(error, 200)}). Run notebook 03 to its end."
        ) from error


def _load(source: str, auto_model: Any, **options: bool) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    options["trust_remote_code"] = False
    try:
        model, info = auto_model.from_pretrained(
            source, use_safetensors=True, output_loading_info=True, **options
        )
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        _check_fit(model, tokenizer, source, missing=sorted(info["missing_keys"]))
    except (ModelError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # transformers, safetensors and tokenizers, whose panics are no Exception
        raise ModelError(
            f"A model folder has config.json, model.safetensors and a tokenizer that fits; {source} could "
            f"not be read ({one_line(error, 200)}). {_ALTERNATIVE}"
        ) from error
    return model, tokenizer


_ALTERNATIVE = 'Name a folder with a BERT-like model, or train one from this chat: BASE_MODEL = "scratch".'


def _is_hub_id(name: str) -> bool:
    return name.count("/") <= 1 and not name.startswith((".", "/", "~")) and "\\" not in name


def _require_reachable(hub_id: str) -> None:
    """Raise ModelError unless the hub knows the model and answers in seconds."""
    log.info("%s is not in the local cache; asking the hub", hub_id)
    try:
        huggingface_hub.HfApi().model_info(hub_id, timeout=_HUB_TIMEOUT_S)
    except Exception as error:
        raise ModelError(
            f"{hub_id} is no folder here, and the hub did not send it ({one_line(error, 99)}). {_ALTERNATIVE}"
        ) from error


def _check_config(folder: Path) -> None:
    """Raise ModelError for a model with code of its own, or of absurd size, before anything is loaded."""
    for path in (folder / "config.json", folder / "tokenizer_config.json"):
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue  # the loaders say what is wrong
        if not isinstance(config, dict):
            continue
        if "auto_map" in config:
            raise ModelError(
                f"No code from a model is run here, and {path} asks for some (auto_map). "
                f"Take a model that transformers knows by itself. {_ALTERNATIVE}"
            )
        for key, value in config.items():
            limit = _MAX_LAYERS if "layers" in key else _MAX_SIZE
            if path.name == "config.json" and isinstance(value, int) and value > limit:
                raise ModelError(
                    f"{key} must be at most {limit:,}, and {path} says {value:,}. {_ALTERNATIVE}"
                )


@torch.inference_mode()
def _check_fit(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str, *, missing: Sequence[str]
) -> None:
    """Raise ModelError unless all weights are there and finite, and the model reads its tokenizer's ids."""
    # The pooler is not used, and models trained on masks have none.
    if missing := [key for key in missing if not key.startswith("pooler.")]:
        raise ModelError(
            f"A model must bring all its weights; {name} lacks {len(missing)}, {missing[0]} for one. "
            f"{_ALTERNATIVE}"
        )
    n_rows = _embeddings(model).shape[0]
    n_tokens = max([len(tokenizer), *(token_id + 1 for token_id in tokenizer.get_vocab().values())])
    if n_tokens > n_rows:
        raise ModelError(
            f"A model must have a row for each token of its tokenizer; in {name} the tokenizer has "
            f"{n_tokens} tokens and the model {n_rows} rows. Take both from the same place."
        )
    max_len = tokenizer.model_max_length
    if (
        isinstance(max_len, bool)
        or not isinstance(max_len, int | float)
        or not _MIN_LEN <= max_len < math.inf
    ):
        raise ModelError(
            f"model_max_length must be at least {_MIN_LEN} tokens; in {name} it is {max_len!r}. "
            f"{_ALTERNATIVE}"
        )
    tensors = model.state_dict()
    n_probe = min(_PROBE_LEN, int(max_len))
    probe = tokenizer("a probe " * n_probe, truncation=True, max_length=n_probe, return_tensors="pt")
    tensors["output"] = model(input_ids=probe["input_ids"])[0]
    if bad := [key for key, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise ModelError(f"Weights must be finite, and in {name} {bad[0]} is not. {_ALTERNATIVE}")


def _embeddings(model: PreTrainedModel) -> torch.Tensor:
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, torch.Tensor)
    return weight


def _rows_by_token(model: PreTrainedModel) -> list[torch.Tensor]:
    """Return the tensors with a row per token, each once: embeddings, output weights, output bias."""
    output = model.get_output_embeddings()
    tensors = [_embeddings(model)]
    if output.weight is not tensors[0]:
        tensors.append(output.weight)
    if output.bias is not None:
        tensors.append(output.bias)
    return tensors
