"""The command `pretrain`: notebook 03's training without its pictures, in one process or several."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path

from chatlib.files import looks_like_dataset
from chatlib.options import add_options, read_options
from chatlib.pretrain import TrainSettings

__all__ = ["add_parsers"]

_SAMPLE = 300_000  # messages: of shards, what tells the vocabulary, and what is held out


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `pretrain`."""
    parser = subparsers.add_parser(
        "pretrain",
        help="train a language model on the chat of a database",
        description="Train a masked language model on the training period of a chat database, and evaluate "
        "it on later chat. Several processes share the work: accelerate launch --multi_gpu --num_processes 2 "
        "-m chatlib pretrain DB OUT (also on a CPU). Of a data set, each process reads streams of its own.",
    )
    parser.add_argument("db", metavar="DB", help="the chat database, or a data set's folder")
    parser.add_argument("out", metavar="OUT", help="the folder for the model; what is there is replaced")
    add_options(parser, TrainSettings)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from chatlib.dataset import open_dataset
    from chatlib.pretrain import training
    from chatlib.pretrain.corpus import build_corpus, find_emotes
    from chatlib.pretrain.data import make_data, make_shard
    from chatlib.pretrain.device import join_processes, seed_torch
    from chatlib.pretrain.language_model import add_emotes, open_language_model, save_language_model
    from chatlib.store import open_store

    settings = read_options(args, TrainSettings)
    processes = join_processes()
    seed_torch(settings.seed)
    dataset = open_dataset(args.db) if looks_like_dataset(args.db) else None
    shards = dataset if processes.n > 1 and not settings.alone else None
    with nullcontext(dataset) if dataset else open_store(args.db, read_only=True) as db:
        chat = build_corpus(db, settings, most=_SAMPLE if shards else 0)
    texts = chat.train["text"].tolist()
    lm = open_language_model(texts, settings)
    add_emotes(lm, find_emotes(texts, most=settings.emotes))
    if shards:
        data = make_shard(shards, chat, lm.tokenizer, settings, processes)
    else:
        data = make_data(chat, lm.tokenizer, settings)
    out = Path(args.out)
    history = training.train(lm, data, settings, checkpoint=out.with_name(f"{out.name}_unfinished"))
    if processes.is_first:
        manifest = training.describe_training(lm, chat, data, settings=settings, history=history)
        save_language_model(lm, out, manifest=manifest)
        print(history.set_index("epoch").round(3).to_string())
    processes.wait()
    processes.leave()
    return 0
