"""The simulated sample channel, whose true probability of paying is known."""

from dataclasses import dataclass

from chatlib.options import option

__all__ = ["ChannelSettings"]


@dataclass(frozen=True)
class ChannelSettings:
    """What channel to simulate."""

    n_streams: int = option(24, "number of streams", "--streams")
    n_viewers: int = option(300, "mean number of viewers per stream", "--viewers")
    n_messages: int = option(1700, "mean number of messages per stream", "--messages")
    seed: int = option(0, "the same seed, the same channel")
    n_new: int = option(
        0, "write the last N streams into a folder of their own, as if published later", "--new"
    )
