"""A language model: made, loaded, saved, and refused."""

import json
import time
from importlib.metadata import version

import huggingface_hub
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, DistilBertConfig, DistilBertForMaskedLM

from chatlib.errors import ModelError, ParameterError
from chatlib.pretrain import TrainSettings
from chatlib.pretrain.corpus import tokenize, train_tokenizer
from chatlib.pretrain.language_model import (
    LanguageModel,
    MaskedHead,
    add_emotes,
    load_language_model,
    load_manifest,
    open_language_model,
    save_language_model,
)
from tests.pretrain.chats import make_bert


def small_models():
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}
    return [make_bert(50), DistilBertForMaskedLM(DistilBertConfig(**sizes))]


@pytest.fixture
def saved(lm, tmp_path):
    return save_language_model(lm, tmp_path / "model", manifest={"seed": 3})


def test_the_head_at_asked_positions_is_the_head_at_all_positions(lm):
    ids = torch.arange(20).reshape(2, 10) + 5
    positions = torch.tensor([0, 3, 19])
    for model in [lm.model, *small_models()]:
        model.eval()
        with torch.no_grad():
            full = model(input_ids=ids).logits.flatten(0, 1)[positions]
            head = MaskedHead(model)
            torch.testing.assert_close(head(ids, positions), full)
            head.close()
            assert model(input_ids=ids).logits.shape[:2] == (2, 10)


def test_anyone_can_load_the_folder_and_nothing_in_it_is_pickled(saved):
    manifest = load_manifest(saved)
    assert (manifest["seed"], manifest["versions"]["torch"]) == (3, version("torch"))
    assert AutoModel.from_pretrained(saved).config.hidden_size == 32
    assert AutoTokenizer.from_pretrained(saved).mask_token == "[MASK]"
    assert {path.suffix for path in saved.iterdir()} == {".json", ".safetensors"}


def test_a_save_that_was_interrupted_leaves_the_model_that_was_there(lm, saved, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    monkeypatch.setattr(lm.tokenizer, "save_pretrained", stop)
    with pytest.raises(KeyboardInterrupt):
        save_language_model(lm, saved, manifest={"seed": 4})
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("content", [None, "{", "[]", "[" * 100_000])
def test_a_folder_without_a_whole_manifest_is_refused(saved, content):
    (saved / "training.json").unlink()
    if content is not None:
        (saved / "training.json").write_text(content)
    with pytest.raises(ModelError, match="Run notebook 03 to its end"):
        load_manifest(saved)


@pytest.mark.parametrize("base", ["/no/such/folder", "./model", "~/nothing", "a/b/c"])
def test_a_folder_that_is_not_there_is_refused(base):
    with pytest.raises(ModelError, match=r"there is no folder .* BASE_MODEL = \"scratch\""):
        load_language_model(base)


def test_pickled_weights_are_refused(saved):
    torch.save({}, saved / "pytorch_model.bin")
    (saved / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="could not be read"):
        load_language_model(saved)


def test_a_tokenizer_of_another_model_is_refused(lm, saved):
    lm.tokenizer.add_tokens(["one more"])
    lm.tokenizer.save_pretrained(saved)
    with pytest.raises(ModelError, match="Take both from the same place"):
        load_language_model(saved)


def test_a_tokenizer_without_a_mask_is_refused(saved):
    path = saved / "tokenizer_config.json"
    config = json.loads(path.read_text())
    del config["mask_token"]
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match="no mask_token"):
        load_language_model(saved)


def test_a_hub_id_without_network_is_refused_without_minutes_of_waiting(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    start = time.perf_counter()
    with pytest.raises(ModelError, match=r"no-such-model-here .* train one from this chat"):
        open_language_model([], TrainSettings(base="no-such-model-here"))
    assert time.perf_counter() - start < 200


@pytest.mark.parametrize("size", [{"width": 100}, {"width": 0}, {"layers": 0}])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(ParameterError, match="a multiple of 32"):
        open_language_model(["some text"], TrainSettings(**size))


@pytest.fixture
def plain():
    """A model whose tokenizer has seen no emote."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["some words of the language", "and some more words"] * 5, vocabulary=300)
    lm = LanguageModel(make_bert(len(tokenizer)), tokenizer, "test")
    with torch.no_grad():
        lm.model.get_output_embeddings().bias.normal_()
    return lm


def ids_of(lm, text):
    return tokenize(lm.tokenizer, [text], max_len=50)[0].tolist()


def test_an_added_emote_is_one_token_that_starts_as_the_mean_of_its_pieces(plain):
    emotes = [":_catWave:", "streamerLove", "👩‍👩‍👧"]
    pieces = {emote: ids_of(plain, emote) for emote in emotes}
    assert min(map(len, pieces.values())) > 1
    assert add_emotes(plain, emotes) == emotes
    for emote, parts in pieces.items():
        (token,) = ids_of(plain, emote)
        for rows in (plain.model.get_input_embeddings().weight, plain.model.get_output_embeddings().bias):
            torch.testing.assert_close(rows[token], rows[parts].mean(0))
    assert ids_of(plain, "words:_catWave::_catWave: words").count(ids_of(plain, ":_catWave:")[0]) == 2
    assert ids_of(plain, "xstreamerLove") != ids_of(plain, "streamerLove")
    logits = plain.model(input_ids=torch.tensor([ids_of(plain, "words :_catWave:")])).logits
    assert logits.shape[-1] == len(plain.tokenizer)


def test_what_is_one_token_already_stays_and_twice_changes_nothing(plain):
    add_emotes(plain, ["streamerLove"])
    n_tokens, weights = len(plain.tokenizer), plain.model.get_input_embeddings().weight.clone()
    assert add_emotes(plain, ["streamerLove"]) == []
    assert add_emotes(plain, []) == []
    assert len(plain.tokenizer) == n_tokens
    assert torch.equal(plain.model.get_input_embeddings().weight, weights)


def test_saved_and_loaded_a_model_and_its_emotes_are_the_same(plain, tmp_path):
    add_emotes(plain, [":_catWave:"])
    loaded = load_language_model(save_language_model(plain, tmp_path / "m", manifest={}))
    assert ids_of(loaded, ":_catWave:") == ids_of(plain, ":_catWave:")
    assert len(ids_of(loaded, ":_catWave:")) == 1
    assert loaded.model.state_dict().keys() == plain.model.state_dict().keys()
    for name, weight in plain.model.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[name], weight)
