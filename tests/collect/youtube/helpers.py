"""What tests of replays share: one source asked for one video of the local YouTube, quickly."""

from chatlib.collect.sites import CollectSettings
from chatlib.collect.transport import Politeness
from chatlib.collect.youtube.site import YouTube
from tests.collect.youtube.site.videos import video_of_batches

SOURCES = ("chat-downloader", "yt-dlp")


def quick(**given):
    """Return a politeness that does not make a test wait."""
    return Politeness(**{"per_s": 1000, "timeout_s": 30.0, "backoff_s": 0.01, **given})


def make_fetcher(source, folder):
    """Return a fetcher from one source, or several, that does not make a test wait."""
    sources = source if isinstance(source, str) else ", ".join(source)
    settings = CollectSettings(chat_sources=sources, requests_per_s=1000, timeout_s=30.0, backoff_s=0.01)
    return YouTube(settings, folder / "unfinished")


def fetch(video_id, source, folder, *, attempts=7):
    """Return the replay of a video from one source, or several."""
    fetcher = make_fetcher(source, folder)
    fetcher.politeness.attempts = attempts
    return fetcher.fetch(video_id, {})


def respond(*items):
    """Return a response of InnerTube's with these items."""
    return {"continuationContents": {"liveChatContinuation": {"actions": list(items)}}}


def show(youtube, *responses, video_id="realreplay0", duration_s=1):
    """Let the local YouTube hold one video with a replay of these responses."""
    video = video_of_batches(responses, video_id=video_id, duration_s=duration_s)
    video.chat._views["top"] = video.chat._respond("top", [[]])  # the fake cannot choose among odd items
    youtube.add_videos(video)
    return video
