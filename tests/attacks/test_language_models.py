"""A language model that somebody tampered with is one clear error: nothing runs, prompts or hangs."""

import builtins
import json
import random
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from chatlib.errors import ModelError
from chatlib.pretrain import TrainSettings
from chatlib.pretrain.encoder import load_encoder
from chatlib.pretrain.language_model import (
    LanguageModel,
    load_language_model,
    load_manifest,
    new_language_model,
    save_language_model,
)
from tests.attacks.mutations import mutate_file

TEXTS = [f"hello {i} words :_cat: 草 {i * 7}" for i in range(300)]
PROBES = ["hello", "", "草 x " * 400, "[MASK] \x00 words"]
CODE = "import pathlib; pathlib.Path({path!r}).write_text('run')\nclass Any: pass\n"


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A model as notebook 03 makes it, and a BERT."""
    torch.manual_seed(0)
    lm = new_language_model(TEXTS, TrainSettings(vocabulary=400, layers=1, width=32))
    config = BertConfig(
        vocab_size=len(lm.tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32,
    )  # fmt: skip
    bert = LanguageModel(BertForMaskedLM(config), lm.tokenizer, "test")
    folder = tmp_path_factory.mktemp("models")
    return [
        save_language_model(model, folder / name, manifest={})
        for model, name in ((lm, "scratch"), (bert, "bert"))
    ]


@pytest.fixture(autouse=True)
def no_prompt(monkeypatch):
    def answer(*prompt):
        raise AssertionError(f"a model asks on standard input: {prompt}")

    monkeypatch.setattr(builtins, "input", answer)


@pytest.mark.parametrize("model_type", ["modernbert", "one-of-its-own"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_that_comes_with_a_model_is_not_run(originals, tmp_path, file, model_type):
    folder, marker = tmp_path / "model", tmp_path / "it was run"
    shutil.copytree(originals[0], folder)
    (folder / "evil.py").write_text(CODE.format(path=str(marker)))
    names = ("AutoConfig", "AutoModel", "AutoModelForMaskedLM", "AutoTokenizer")
    code = {"auto_map": dict.fromkeys(names, "evil.Any"), "tokenizer_class": "Any"}
    change_json(folder / file, **code)
    change_json(folder / "config.json", model_type=model_type)
    for load in (load_language_model, load_encoder):
        with pytest.raises(ModelError, match=r"No code from a model is run here, and .*auto_map"):
            load(folder)
    assert not marker.exists()


def change_json(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def drop(tensors):
    del tensors["model.embeddings.tok_embeddings.weight"]


def break_one(tensors):
    tensors["model.final_norm.weight"][3] = float("nan")


def widen(tensors):
    tensors["model.final_norm.weight"] = torch.ones(64)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop, r"lacks \d"),
        (break_one, "must be finite, and in .* model.final_norm"),
        (widen, "could not be read"),
    ],
)
def test_weights_that_are_missing_not_finite_or_of_another_shape_are_refused(
    originals, tmp_path, damage, message
):
    folder = tmp_path / "model"
    shutil.copytree(originals[0], folder)
    tensors = load_file(folder / "model.safetensors")
    damage(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=message):
        load_language_model(folder)


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("config.json", {"num_hidden_layers": 10**7}, "num_hidden_layers must be at most 500"),
        ("config.json", {"hidden_size": 10**12}, "hidden_size must be at most 5,000,000"),
        ("tokenizer_config.json", {"model_max_length": True}, "model_max_length must be at least 8"),
        ("tokenizer_config.json", {"model_max_length": "x"}, "model_max_length must be at least 8"),
    ],
)
def test_absurd_sizes_are_refused_before_anything_is_loaded(originals, tmp_path, file, values, message):
    shutil.copytree(originals[0], tmp_path / "model")
    change_json(tmp_path / "model" / file, **values)
    with pytest.raises(ModelError, match=message):
        load_language_model(tmp_path / "model")


def read_damaged(originals, folder, seed):
    """Damage a copy of a model, read it in every way, and return how often it was refused."""
    rng = random.Random(seed)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(rng.choice(originals), folder)
    done = mutate_file(rng.choice(sorted(folder.iterdir())), rng)
    n_refused = 0
    for read in (read_vectors, load_language_model, load_manifest):
        try:
            read(folder)
        except ModelError as error:
            assert len(str(error)) < 600
            n_refused += 1
        except BaseException as error:
            raise AssertionError(f"seed {seed}, {done}: {error!r}") from error
    return n_refused


def read_vectors(folder):
    assert np.isfinite(load_encoder(folder).encode(PROBES)).all()


@pytest.mark.parametrize("n", [40, pytest.param(2000, marks=[pytest.mark.real, pytest.mark.timeout(3600)])])
def test_damaged_models_are_refused_or_harmless(originals, tmp_path, n):
    refused = [read_damaged(originals, tmp_path / "model", seed) for seed in range(n)]
    assert sum(map(bool, refused)) > n / 2
