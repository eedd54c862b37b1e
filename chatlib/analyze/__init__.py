"""Analyze: the ChatAnalytics of a stream, its highlights, spikes, moments and audience."""

from chatlib.analyze.analytics.format import ProcessSettings

__all__ = ["DEFAULT_TOP", "ProcessSettings"]

DEFAULT_TOP = 10  # moments of a stream that are shown
