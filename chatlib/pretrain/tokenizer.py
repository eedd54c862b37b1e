"""The chat's own tokenizer: byte-level byte-pair encoding, trained on the chat.

Byte-level, so nothing is unknown: Japanese, emoji and whatever comes next year are at worst
their bytes, and at best (where frequent) one token. An emote's code, `:_name:`, is never cut
by the rules that cut text at punctuation, so a frequent emote becomes one token. A tokenizer
trained elsewhere cuts `:_catWave:` or `streamerLove` into pieces that mean nothing together, and
knows few emoji; `find_emotes` finds those that deserve a token of their own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from chatlib.errors import ModelError, NotEnoughData
from chatlib.pretrain.corpus import CLEANING
from chatlib.text import EMOJI

__all__ = ["SPECIAL_TOKENS", "find_emotes", "tokenize", "train_tokenizer"]

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Where text is cut before pairs are merged: an emote's code, a word, a run of one Japanese script,
# a number, a run of signs; each with the blank before it. (Oniguruma's syntax, for `Regex`.)
_PIECES = (
    r" ?:_?[A-Za-z][A-Za-z0-9_\-]*:"
    r"| ?\p{Han}+| ?\p{Hiragana}+| ?[\p{Katakana}\u30fc]+"
    r"| ?[\p{L}\p{M}&&[^\p{Han}\p{Hiragana}\p{Katakana}]]+('[A-Za-z]+)?"
    r"| ?\p{N}{1,3}| ?[^ \p{L}\p{M}\p{N}]+| +"
)
# An emote's code as YouTube writes it; a word with a capital inside, as Twitch's emotes are called; an emoji.
_CODE = r":_?[A-Za-z][A-Za-z0-9_\-]*:"
_CAMEL = r"\b[A-Za-z0-9]*[a-z][A-Z][A-Za-z0-9]*\b"
_EMOTE = re.compile(f"{_CODE}|{_CAMEL}|{EMOJI.pattern}")
_MIN_TEXTS = 10  # that have an emote
_MIN_PAIRS = 3  # that are merged into a token
MAX_LEN = 512  # what a tokenizer truncates to when asked to truncate


def train_tokenizer(texts: Iterable[str], *, vocabulary: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer of at most `vocabulary` tokens, trained on these texts.

    It normalizes text as the corpus does, so raw chat may be given to it. The same texts give the
    same tokenizer.
    Raises: NotEnoughData if there is no text.
    """
    tokenizer = _untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=_MIN_PAIRS,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = list(texts)
    if not any(texts):
        raise NotEnoughData("A tokenizer is trained on text, and there is none. Add chat.")
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    cls_id, sep_id = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls_id), ("[SEP]", sep_id)],
    )
    pad, unk, cls, sep, mask = SPECIAL_TOKENS
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        unk_token=unk,
        cls_token=cls,
        sep_token=sep,
        mask_token=mask,
        model_max_length=MAX_LEN,
    )


def find_emotes(texts: Iterable[str], *, most: int) -> list[str]:
    """Return up to `most` emotes and emoji that at least ten texts have, most frequent first."""
    counts = Counter(emote for text in texts for emote in set(_EMOTE.findall(text)))
    frequent = [(-n, emote) for emote, n in counts.items() if n >= _MIN_TEXTS]
    return [emote for _, emote in sorted(frequent)[:most]]


def tokenize(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], *, max_len: int) -> list[np.ndarray]:
    """Return the token ids of each text, without special tokens, at most `max_len` of them."""
    texts = list(texts)
    if not texts:
        return []
    encoded = tokenizer(
        texts,
        add_special_tokens=False,
        truncation=True,
        max_length=max_len,
        split_special_tokens=True,  # "[MASK]" in chat is text
        return_attention_mask=False,
    )
    return [np.asarray(ids, dtype=np.int64) for ids in encoded["input_ids"]]


def check_special_tokens(tokenizer: PreTrainedTokenizerBase, *, name: str) -> None:
    """Raise ModelError if the tokenizer lacks what masked-language-model training needs."""
    needed = ("mask_token", "pad_token", "sep_token", "cls_token")
    if missing := [token for token in needed if getattr(tokenizer, f"{token}_id") is None]:
        raise ModelError(
            f"A masked language model's tokenizer has mask, pad, sep and cls tokens; {name} has no "
            f'{", ".join(missing)}. Use a BERT-like model, or BASE_MODEL = "scratch".'
        )


def _untrained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    cleaning = [normalizers.Replace(Regex(pattern), replacement) for pattern, replacement in CLEANING]
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), *cleaning, normalizers.Strip(), normalizers.Prepend(" ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
