"""What the language model reads: clean chat of the training period, what is held out, and its tokens.

All of it comes from streams before the test period; held-out streams are later than every training
stream, and no held-out single message has the text of a training message.

The chat's tokenizer is byte-level byte-pair encoding, so nothing is unknown: Japanese, emoji and whatever
comes next year are at worst their bytes, and at best (where frequent) one token. An emote's code, `:_name:`,
is never cut by the rules that cut text at punctuation, so a frequent emote becomes one token. A tokenizer
trained elsewhere cuts `:_catWave:` or `streamerLove` into pieces that mean nothing together, and knows few
emoji; `find_emotes` finds those that deserve a token of their own.
"""

from __future__ import annotations

import logging
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from chatlib.dataset import Dataset
from chatlib.errors import ModelError, NotEnoughData
from chatlib.pretrain import TrainSettings
from chatlib.records import CHAT_KINDS
from chatlib.store import Store
from chatlib.text import EMOJI
from chatlib.times import format_clock, split_by_date

__all__ = [
    "SPECIAL_TOKENS",
    "Corpus",
    "build_corpus",
    "find_emotes",
    "iter_training",
    "load_chat",
    "normalize_for_model",
    "tokenize",
    "train_tokenizer",
]

log = logging.getLogger(__name__)

# What is replaced, in this order. Names and addresses are private, and say nothing about style;
# invisible characters are how chat programs let the same message be sent twice. Both regular
# expression engines that use these (Python's, and the tokenizer's) must read them alike.
_CLEANING = (
    (
        "[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]+",
        " ",
    ),
    (r"(https?://|www\.)[^ ]+", "http"),
    ("@[A-Za-z0-9_\\-.\u00b7\u00c0-\u1fff\u3041-\ud7a3]{2,}", "@user"),  # names have letters of all scripts
    ("[ \u00a0\u3000]+", " "),
)
_COMPILED = [(re.compile(pattern), replacement) for pattern, replacement in _CLEANING]

MIN_HELD_OUT_STREAMS = 4
MIN_TRAINING_MESSAGES = 200
MIN_HELD_OUT_MESSAGES = 10
MAX_COPIES = 10  # of one text in a training stream
MAX_SINGLE_MESSAGES = 2000


@dataclass(frozen=True)
class Corpus:
    """Chat for the language model. Tables have `stream_id, offset_s, author, text`, in time order.

    `streams` and `held_out_streams` are rows of the table of streams, oldest first.
    `n_available` counts all messages of the training streams, which are read in `order` up to the cap.
    """

    train: pd.DataFrame
    held_out: pd.DataFrame
    single_messages: list[str]
    streams: pd.DataFrame
    held_out_streams: pd.DataFrame
    n_available: int
    order: list[int]

    def show_rows(self, n: int = 10) -> pd.DataFrame:
        """Return `n` successive messages of training: when, by whom (a number), and what they wrote."""
        start = max(0, len(self.train) // 2 - n)
        rows = self.train.iloc[start : start + n]
        return pd.DataFrame(
            {
                "time": [format_clock(offset_s) for offset_s in rows["offset_s"]],
                "viewer": pd.factorize(rows["author"])[0] + 1,
                "message": rows["text"].tolist(),
            }
        )

    def to_table(self) -> pd.DataFrame:
        """Return the streams, messages, first and last date of training and of what is held out."""
        streams = [self.streams, self.held_out_streams, self.held_out_streams]
        dates = [(of["started_at"].min()[:10], of["started_at"].max()[:10]) for of in streams]
        table = pd.DataFrame(dates, columns=["from", "to"])
        table.insert(0, "streams", [len(of) for of in streams])
        table.insert(1, "messages", [len(self.train), len(self.held_out), len(self.single_messages)])
        return table.set_axis(["training", "held-out streams", "held-out single messages"])


def normalize_for_model(text: str) -> str:
    """Return a message as the model reads it: no invisible characters, no double blanks.

    Web addresses become `http`, @mentions `@user`.
    """
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    return text.strip()


def load_chat(db: Store | Dataset, stream_ids: Iterable[int]) -> pd.DataFrame:
    """Return what viewers wrote in these streams, normalized: streams in the given order, each by time.

    Only kinds that are chat, without bits: no payment, no notice. Rows without an offset or
    without text, also once normalized, are dropped.
    Columns: `stream_id, offset_s, author, text`; a missing author is -1.
    """
    columns = ["stream_id", "offset_s", "author", "text", "kind", "bits"]
    chat = db.load_messages(stream_ids, columns=columns)
    is_chat = chat["kind"].isin(CHAT_KINDS) & chat["bits"].isna()
    chat = chat[is_chat & chat["text"].notna() & chat["offset_s"].notna()]
    chat = chat.assign(
        text=pd.Series(list(map(normalize_for_model, chat["text"])), chat.index, dtype=object),
        author=chat["author"].fillna(-1).astype("int64"),
        offset_s=chat["offset_s"].astype("float64"),
    )
    return chat.loc[chat["text"] != "", columns[:4]].reset_index(drop=True)


def build_corpus(db: Store | Dataset, settings: TrainSettings, *, most: int = 0) -> Corpus:
    """Return the training chat and what is held out, by the dates of the streams.

    Training streams are those of the training period (`split_by_date`); held out are
    those of the validation period. If that leaves fewer than four held-out streams, the last
    training streams are held out too, as long as three quarters of them stay.
    `settings.streams` are sampled from the training streams (0: all); of these, whole streams in
    random order until there are `settings.messages` (0: all), the last one cut.
    The same text counts at most `MAX_COPIES` times per training stream. With `most`, all of it need not fit
    into memory: so many messages of training are read, and streams of a tenth as many held out.

    Raises: NotEnoughData if too little is left to train or to evaluate on.
    """
    rng = np.random.default_rng(settings.seed)
    streams = db.load_streams()
    train_ids, held_out_ids = _choose_streams(streams)
    order = rng.permutation(train_ids)[: settings.streams or None].tolist()
    n_messages = streams.set_index("stream_id")["n_messages"]
    if most:
        held_out_ids = held_out_ids[:: 1 + 10 * int(n_messages[held_out_ids].sum()) // most]
        settings = replace(settings, messages=min(settings.messages or most, most))
    parts = {
        chat["stream_id"].iat[0]: chat for chat in iter_training(db, order, max_messages=settings.messages)
    }
    in_time = [parts[stream_id] for stream_id in streams["stream_id"] if stream_id in parts]
    train = pd.concat([load_chat(db, []), *in_time], ignore_index=True)
    held_out = load_chat(db, held_out_ids)
    singles = _choose_single_messages(held_out, train, rng)
    _check_enough(train, singles)
    log.info("%d training messages, %d held out", len(train), len(held_out))
    return Corpus(
        train=train,
        held_out=held_out,
        single_messages=singles,
        streams=streams[streams["stream_id"].isin(order if most else train["stream_id"])].reset_index(
            drop=True
        ),
        held_out_streams=streams[streams["stream_id"].isin(held_out["stream_id"])].reset_index(drop=True),
        n_available=int(n_messages[order].sum()),
        order=order,
    )


def _choose_streams(streams: pd.DataFrame) -> tuple[list[int], list[int]]:
    """Return ids of streams for training and held out. Streams without messages are ignored."""
    split = split_by_date(streams[streams["n_messages"] > 0])  # the donor model's split, too
    n_more = min(max(0, MIN_HELD_OUT_STREAMS - len(split.validation)), len(split.train) // 4)
    first = len(split.train) - n_more
    dates = streams.set_index("stream_id")["started_at"]
    while 0 < first < len(split.train) and dates[split.train[first]] == dates[split.train[first - 1]]:
        first -= 1  # streams of one date stay on one side
    return split.train[:first], split.train[first:] + split.validation


def iter_training(
    db: Store | Dataset, stream_ids: Iterable[int], *, max_messages: int
) -> Iterator[pd.DataFrame]:
    """Yield the chat of each of these streams that training reads, up to the cap (0: none)."""
    n_left = max_messages or sys.maxsize
    for stream_id in stream_ids:
        chat = load_chat(db, [stream_id])
        kept = chat[chat.groupby(chat["text"].str.casefold()).cumcount() < MAX_COPIES].iloc[:n_left]
        n_left -= len(kept)
        if len(kept):
            yield kept
        if not n_left:
            return


def _choose_single_messages(
    held_out: pd.DataFrame, train: pd.DataFrame, rng: np.random.Generator
) -> list[str]:
    """Return held-out texts, each once, that training has not seen, ignoring case."""
    spellings = held_out["text"].str.casefold()
    is_new = ~spellings.duplicated() & ~spellings.isin(train["text"].str.casefold())
    unseen = held_out.loc[is_new, "text"].tolist()
    return [unseen[i] for i in sorted(rng.permutation(len(unseen))[:MAX_SINGLE_MESSAGES])]


def _check_enough(train: pd.DataFrame, singles: Sequence[str]) -> None:
    if len(train) < MIN_TRAINING_MESSAGES or len(singles) < MIN_HELD_OUT_MESSAGES:
        raise NotEnoughData(
            f"A language model needs at least {MIN_TRAINING_MESSAGES} messages to train on and "
            f"{MIN_HELD_OUT_MESSAGES} new ones in later streams; there are {len(train)} and "
            f"{len(singles)}. Add streams, or raise N_STREAMS and MAX_MESSAGES."
        )


# ------------------------------------------------------------------ tokens

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


def tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], *, max_len: int, special: bool = False
) -> list[np.ndarray]:
    """Return the token ids of each text, at most `max_len`, the `special` tokens around it among them."""
    texts = list(texts)
    if not texts:
        return []
    encoded = tokenizer(
        texts,
        add_special_tokens=special,
        truncation=True,
        max_length=max_len,
        split_special_tokens=True,  # "[MASK]" in chat is text
        return_attention_mask=False,
        return_token_type_ids=False,
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
    cleaning = [normalizers.Replace(Regex(pattern), replacement) for pattern, replacement in _CLEANING]
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
