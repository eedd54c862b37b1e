"""Whatever a person copies as a channel's address becomes one form, or one clear error."""

import pytest

from chatlib.collect.address import clean_channel_url
from chatlib.errors import ParameterError

SITE = "https://www.youtube.com"
CHANNEL_ID = "UCfakeHarbor0000000000aa"


@pytest.mark.parametrize(
    "text, path",
    [
        ("@Harbor.Light-1", "@Harbor.Light-1"),
        ("  https://www.youtube.com/@Harbor.Light-1\n", "@Harbor.Light-1"),
        ("http://m.youtube.com/@Harbor.Light-1/streams/?view=0&sort=dd#top", "@Harbor.Light-1"),
        ("youtube.com/@Harbor.Light-1/", "@Harbor.Light-1"),
        ("HTTPS://YouTube.com/@Harbor.Light-1/featured", "@Harbor.Light-1"),
        ("https://youtube.com:443//%40Harbor.Light-1//videos", "@Harbor.Light-1"),
        (CHANNEL_ID, f"channel/{CHANNEL_ID}"),
        (f"https://www.youtube.com/channel/{CHANNEL_ID}/streams", f"channel/{CHANNEL_ID}"),
        ("www.youtube.com/c/HarborLight", "c/HarborLight"),
        ("https://www.youtube.com/user/harborlight?feature=x", "user/harborlight"),
        ("@姫森", "@%E5%A7%AB%E6%A3%AE"),
        ("https://www.youtube.com/@%E5%A7%AB%E6%A3%AE/streams", "@%E5%A7%AB%E6%A3%AE"),
    ],
)
def test_a_channel_in_every_guise(text, path):
    assert clean_channel_url(text) == f"{SITE}/{path}"
    assert clean_channel_url(f"{SITE}/{path}") == f"{SITE}/{path}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "Harbor Light",
        "https://www.youtube.com/",
        "https://www.youtube.com/watch?v=aaaaaaaaaaa",
        "https://www.youtube.com/channel/UCshort",
        "https://www.youtube.com/@a b",
        "https://www.youtube.com.evil.example/@harbor",
        "https://evil.example/@harbor",
        "https://www.twitch.tv/",
        "https://www.twitch.tv/videos/2001",
        "https://www.twitch.tv/harbor/v/2001",
        "https://www.twitch.tv/har bor",
        "https://www.twitch.tv.evil.example/harbor",
        "ftp://www.youtube.com/@harbor",
        "https://[",
        "javascript:alert(1)//@harbor",
        "@harbor'; DROP TABLE streams",
        None,
        5,
    ],
)
def test_anything_else_is_told_what_is_accepted(text):
    with pytest.raises(ParameterError, match=r"@handle, /channel/UC…, /c/name or /user/name.*got"):
        clean_channel_url(text)
