"""Analyze: the ChatAnalytics of a stream, its highlights, spikes and audience."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatlib.analyze.analytics.chat_analytics import (
        ChatAnalytics,
        TwitchChatAnalytics,
        YoutubeChatAnalytics,
    )
    from chatlib.analyze.analytics.json_files import load, save
    from chatlib.analyze.analytics.samples import Sample, TwitchSample, YoutubeSample
    from chatlib.analyze.analytics.sections import Highlight, Spike
    from chatlib.analyze.analytics.settings import ProcessSettings

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

# Where the names live. They are loaded when asked for: the command must be fast to start.
_MODULES = {
    "chat_analytics": ("ChatAnalytics", "TwitchChatAnalytics", "YoutubeChatAnalytics"),
    "json_files": ("load", "save"),
    "samples": ("Sample", "TwitchSample", "YoutubeSample"),
    "sections": ("Highlight", "Spike"),
    "settings": ("ProcessSettings",),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"chatlib.analyze.analytics.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
