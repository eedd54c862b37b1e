"""What tests of replays and lists share: one source asked for one video, a page of chosen rows."""

from chatlib.collect.sites import CollectSettings, VideoFacts
from chatlib.collect.transport import Politeness
from chatlib.collect.youtube.site import YouTube
from tests.collect.youtube.site.channels import build_item, channel_data, make_channel
from tests.collect.youtube.site.videos import make_video, video_of_batches

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
    video.chat.views["top"] = [[]]  # the fake cannot choose among odd items
    youtube.add_videos(video)
    return video


URL = "https://www.youtube.com/@sample"
COOKIES = "# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t4102444800\tLOGIN_INFO\tfake\n"


def row_of(video_id, title="A title"):
    """Return a row of a channel's grid, as the local YouTube writes it."""
    return build_item(make_video(video_id, title=title))


def page_of(*items):
    """Return the data of @sample's page of streams with these rows."""
    data = channel_data(make_channel("@sample", [make_video("aaaaaaaaaaa")]), "streams")
    tabs = data["contents"]["twoColumnBrowseResultsRenderer"]["tabs"]
    tabs[1]["tabRenderer"]["content"]["richGridRenderer"]["contents"] = list(items)
    return data


def make_videos(n):
    videos = [make_video(f"vid-_{i:06d}", title=f"Stream <b>{i}</b>", views=1000 + i) for i in range(n)]
    for video, status in zip(videos, ("upcoming", "live", "members_only"), strict=False):
        video.status = status
    return videos


def expected_row(video):
    if video.status in ("upcoming", "live"):
        return VideoFacts(video.id, video.title, None, None, video.status)
    views = None if video.status == "members_only" else video.views
    return VideoFacts(video.id, video.title, video.duration_s, views, "finished")
