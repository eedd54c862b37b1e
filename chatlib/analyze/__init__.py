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
    from chatlib.analyze.analytics.format import ProcessSettings
    from chatlib.analyze.analytics.json_files import load, save
    from chatlib.analyze.analytics.sections import Highlight, Sample, Spike, TwitchSample, YoutubeSample

__all__ = [
    "DEFAULT_TOP",
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

DEFAULT_TOP = 10  # moments of a stream that are shown

# Modules of the names, loaded on first use: the command must start fast.
_MODULES = {
    "chat_analytics": ("ChatAnalytics", "TwitchChatAnalytics", "YoutubeChatAnalytics"),
    "format": ("ProcessSettings",),
    "json_files": ("load", "save"),
    "sections": ("Highlight", "Sample", "Spike", "TwitchSample", "YoutubeSample"),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"chatlib.analyze.analytics.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
