"""The command `pretrain`: notebook 03's training without its pictures, in one process or several."""

from __future__ import annotations

import argparse

__all__ = ["add_parsers"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `pretrain`."""
    parser = subparsers.add_parser(
        "pretrain",
        help="train a language model on the chat of a database",
        description="Train a masked language model on the training period of a chat database, and judge it "
        "on later chat. Several processes share the work: accelerate launch --multi_gpu --num_processes 2 "
        "-m chatlib pretrain DB OUT (also on a CPU).",
    )
    parser.add_argument("db", metavar="DB", help="the chat database")
    parser.add_argument("out", metavar="OUT", help="the folder for the model; what is there is replaced")
    parser.add_argument(
        "--base", default="scratch", help='"scratch", a folder, or a hub id (default: scratch)'
    )
    _add_data_options(parser.add_argument_group("what it reads"))
    _add_training_options(parser.add_argument_group("training"))
    parser.set_defaults(run=_run)


def _add_data_options(group: argparse._ArgumentGroup) -> None:
    counts = {
        "--streams": (0, "train on so many streams, sampled; 0 is all"),
        "--messages": (100_000, "train on at most so many messages; 0 is all"),
        "--block-len": (128, "tokens of a block"),
        "--emotes": (0, "make so many of the most frequent emotes single tokens"),
        "--vocabulary": (6000, "from scratch: tokens of the tokenizer"),
        "--layers": (3, "from scratch: layers"),
        "--width": (128, "from scratch: width, a multiple of 32"),
    }
    for name, (default, meaning) in counts.items():
        group.add_argument(
            name, type=int, default=default, metavar="N", help=f"{meaning} (default: {default})"
        )
    group.add_argument("--alone", action="store_true", help="no message sees another one in training")


def _add_training_options(group: argparse._ArgumentGroup) -> None:
    options = {  # not given, they are what TrainSettings says, which is not imported for a help text
        "--epochs": (int, "how often it goes through the chat (default: 3)"),
        "--lr": (float, "peak of the learning rate (default: 0.002 from scratch, else 0.00005)"),
        "--schedule": (str, "of the learning rate: linear, cosine or constant (default: linear)"),
        "--warmup": (float, "share of the steps in which the learning rate rises (default: 0.1)"),
        "--batch-blocks": (int, "blocks of a batch, over all processes (default: 8)"),
        "--accumulate": (int, "batches of a step (default: 1)"),
        "--mask-rate": (float, "share of tokens hidden in training (default: 0.3)"),
        "--patience": (int, "end after so many epochs that were no better; 0 is never (default: 0)"),
        "--seed": (int, "of all that is random (default: 0)"),
    }
    for name, (kind, meaning) in options.items():
        group.add_argument(name, type=kind, metavar="X", help=meaning)


def _run(args: argparse.Namespace) -> int:
    from dataclasses import fields
    from pathlib import Path

    from chatlib.pretrain import corpus, emotes, language_model
    from chatlib.pretrain import training as masked_lm
    from chatlib.pretrain.device import seed_torch
    from chatlib.pretrain.processes import join_processes
    from chatlib.store import open_store

    processes = join_processes()
    names = [field.name for field in fields(masked_lm.TrainSettings)]
    given = {name: value for name in names if (value := getattr(args, name, None)) is not None}
    settings = masked_lm.TrainSettings(**given)
    seed_torch(settings.seed)
    with open_store(args.db) as db:
        chat = corpus.build_corpus(db, n_streams=args.streams, max_messages=args.messages, seed=settings.seed)
    texts = chat.train["text"].tolist()
    lm = language_model.open_language_model(
        args.base, texts, vocabulary=args.vocabulary, layers=args.layers, width=args.width
    )
    emotes.add_emotes(lm, emotes.find_emotes(texts, most=args.emotes))
    data = masked_lm.make_data(
        chat, lm.tokenizer, block_len=args.block_len, across_messages=not args.alone, seed=settings.seed
    )
    out = Path(args.out)
    history = masked_lm.train(lm, data, settings, checkpoint=out.with_name(f"{out.name}_unfinished"))
    if processes.is_first:
        manifest = masked_lm.describe_training(lm, chat, data, settings=settings, history=history)
        language_model.save_language_model(lm, out, manifest=manifest)
        print(history.set_index("epoch").round(3).to_string())
    processes.wait()
    processes.leave()
    return 0
