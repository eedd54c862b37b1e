"""Where the project lies, real chat beside it where there is some, and how busy this machine is."""

import os
from pathlib import Path

__all__ = ["CHANNEL_2023", "ROOT", "SHARED", "SLOW"]

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
CHANNEL_2023 = SHARED / "twitch" / "channel_2023"

# How many times longer something takes here than on a quiet machine, for tests that have to wait for it.
_LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
SLOW = min(3.0, max(1.0, _LOAD / (os.cpu_count() or 1)))
