"""The command `simulate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from chatlib.simulate import ChannelSettings

__all__ = ["add_parsers"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `simulate`."""
    simulating = subparsers.add_parser(
        "simulate",
        help="make a simulated channel of any size, as chat files",
        description="Make a simulated channel: chat files with a list of streams, which `import` reads.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for option, letter, text in (
        ("streams", "N", "number of streams"),
        ("viewers", "N", "mean number of viewers per stream"),
        ("messages", "N", "mean number of messages per stream"),
        ("new", "N", "write the last N streams into a folder of their own, as if published later"),
    ):
        default = getattr(ChannelSettings, f"n_{option}")
        simulating.add_argument(f"--{option}", type=int, default=default, metavar=letter, help=text)
    simulating.add_argument(
        "--seed", type=int, default=ChannelSettings.seed, metavar="S", help="the same seed, the same channel"
    )
    simulating.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    simulating.set_defaults(run=_run_simulate)


def _run_simulate(args: argparse.Namespace) -> int:
    from chatlib.simulate.channel import simulate_channel

    settings = ChannelSettings(
        n_streams=args.streams,
        n_viewers=args.viewers,
        n_messages=args.messages,
        seed=args.seed,
        n_new=args.new,
    )
    report = simulate_channel(Path(args.out), settings)
    print(
        f"{report.n_streams:,} simulated streams, {report.n_rows:,} rows, {report.n_viewers:,} viewers, "
        f"{report.donor_share:.1%} of them donors, in {report.out_dir}"
    )
    return 0
