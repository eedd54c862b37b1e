"""A channel's page of rows that a test chooses, and the streams of the local YouTube."""

from chatlib.collect.sites import VideoFacts
from tests.collect.youtube.site.channels import build_item, channel_data, make_channel
from tests.collect.youtube.site.videos import make_video

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
