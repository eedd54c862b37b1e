"""The command `simulate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from chatlib.options import add_options, read_options
from chatlib.simulate import ChannelSettings

__all__ = ["add_parsers"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `simulate`."""
    simulating = subparsers.add_parser(
        "simulate",
        help="make a simulated channel of any size, as chat files",
        description="Make a simulated channel: chat files with a list of streams, which `import` reads.",
    )
    add_options(simulating, ChannelSettings)
    simulating.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    simulating.set_defaults(run=_run_simulate)


def _run_simulate(args: argparse.Namespace) -> int:
    from chatlib.simulate.channel import simulate_channel

    report = simulate_channel(Path(args.out), read_options(args, ChannelSettings))
    print(
        f"{report.n_streams:,} simulated streams, {report.n_rows:,} rows, {report.n_viewers:,} viewers, "
        f"{report.donor_share:.1%} of them donors, in {report.out_dir}"
    )
    return 0
