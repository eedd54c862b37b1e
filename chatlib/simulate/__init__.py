"""The simulated sample channel, whose true probability of paying is known."""
