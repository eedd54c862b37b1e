"""Where the project lies, and real chat beside it where there is some."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
CHANNEL_2023 = SHARED / "twitch" / "channel_2023"
