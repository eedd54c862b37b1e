"""The command `simulate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["add_parsers"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `simulate`."""
    simulating = subparsers.add_parser(
        "simulate",
        help="make a simulated channel of any size, as chat files",
        description="Make a simulated channel: chat files with a list of streams, which `import` reads.",
    )
    simulating.add_argument("--streams", type=int, default=24, metavar="N", help="how many (default: 24)")
    simulating.add_argument(
        "--viewers", type=int, default=300, metavar="N", help="of a stream, on average (default: 300)"
    )
    simulating.add_argument(
        "--messages", type=int, default=1700, metavar="N", help="of a stream, on average (default: 1700)"
    )
    simulating.add_argument(
        "--seed", type=int, default=0, metavar="S", help="the same seed, the same channel"
    )
    simulating.add_argument(
        "--new", type=int, default=0, metavar="N", help="lay the last N streams apart, as what came later"
    )
    simulating.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    simulating.set_defaults(run=_run_simulate)


def _run_simulate(args: argparse.Namespace) -> int:
    from chatlib.simulate.channel import simulate_channel

    report = simulate_channel(
        Path(args.out),
        n_streams=args.streams,
        n_viewers=args.viewers,
        n_messages=args.messages,
        seed=args.seed,
        n_new=args.new,
    )
    sys.stdout.write(
        f"{report.n_streams:,} simulated streams, {report.n_rows:,} rows, {report.n_viewers:,} viewers, "
        f"{report.donor_share:.1%} of them donors, in {report.out_dir}\n"
    )
    return 0
