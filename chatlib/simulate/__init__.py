"""The simulated sample channel, whose true probability of paying is known."""

from dataclasses import dataclass

__all__ = ["ChannelSettings"]


@dataclass(frozen=True)
class ChannelSettings:
    """What channel to simulate. `n_viewers` and `n_messages` are means per stream."""

    n_streams: int = 24
    n_viewers: int = 300
    n_messages: int = 1700
    seed: int = 0
    n_new: int = 0
