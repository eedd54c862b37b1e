"""Read by every Python that a test starts with FakeYoutube's environment: certifi names the test's CA."""

import os

if os.environ.get("FAKE_YOUTUBE_CA"):
    try:
        import certifi
    except ImportError:
        pass
    else:
        certifi.where = lambda: os.environ["FAKE_YOUTUBE_CA"]
