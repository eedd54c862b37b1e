"""Analyze: the ChatAnalytics of a stream, its highlights, spikes and audience."""

from chatlib.analyze.analytics import ChatAnalytics, TwitchChatAnalytics, YoutubeChatAnalytics
from chatlib.analyze.files import load, save
from chatlib.analyze.samples import Sample, TwitchSample, YoutubeSample
from chatlib.analyze.sections import Highlight, Spike
from chatlib.analyze.settings import ProcessSettings

__all__ = [
    "ChatAnalytics",
    "Highlight",
    "ProcessSettings",
    "Sample",
    "Spike",
    "TwitchChatAnalytics",
    "TwitchSample",
    "YoutubeChatAnalytics",
    "YoutubeSample",
    "load",
    "save",
]
