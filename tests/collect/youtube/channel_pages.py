"""A channel's page and rows, written by hand in both layouts, and the streams of the local YouTube."""

from chatlib.collect.sites import VideoFacts
from tests.collect.youtube.site.videos import make_video

URL = "https://www.youtube.com/@sample"
COOKIES = "# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t4102444800\tLOGIN_INFO\tfake\n"


def renderer(video_id, title="A title", *, style="DEFAULT", clock=None, views=None, **more):
    status = {"style": style, "text": {"simpleText": clock or style}}
    node = {
        "videoId": video_id,
        "title": {"runs": [{"text": title[:3]}, {"text": title[3:]}]},
        "thumbnailOverlays": [{"thumbnailOverlayTimeStatusRenderer": status}],
    }
    if clock:
        node["lengthText"] = {"simpleText": clock}
    if views:
        node["viewCountText"] = {"simpleText": views}
    return {"richItemRenderer": {"content": {"videoRenderer": node | more}}}


def lockup(video_id, title="A title", *, badge="1:02:03", style="DEFAULT", parts=("56K views", "2 days ago")):
    badges = [
        {"thumbnailBadgeViewModel": {"text": badge, "badgeStyle": f"THUMBNAIL_OVERLAY_BADGE_STYLE_{style}"}}
    ]
    rows = [{"metadataParts": [{"text": {"content": part}} for part in parts]}]
    node = {
        "contentId": video_id,
        "contentType": "LOCKUP_CONTENT_TYPE_VIDEO",
        "contentImage": {
            "thumbnailViewModel": {"overlays": [{"thumbnailBottomOverlayViewModel": {"badges": badges}}]}
        },
        "metadata": {
            "lockupMetadataViewModel": {
                "title": {"content": title},
                "metadata": {"contentMetadataViewModel": {"metadataRows": rows}},
            }
        },
    }
    return {"richItemRenderer": {"content": {"lockupViewModel": node}}}


def page_of(*items, tab="streams", **more):
    def make_tab(name, content):
        url = {"commandMetadata": {"webCommandMetadata": {"url": f"/@sample/{name}"}}}
        return {"tabRenderer": {"endpoint": url, "selected": content is not None} | (content or {})}

    grid = {"content": {"richGridRenderer": {"contents": list(items)}}}
    tabs = [make_tab("featured", None), make_tab(tab, grid), {"expandableTabRenderer": {}}]
    channel = {"externalId": "UCfakeHarbor0000000000aa", "title": "Fake Harbor"}
    return {
        "contents": {"twoColumnBrowseResultsRenderer": {"tabs": tabs}},
        "metadata": {"channelMetadataRenderer": channel},
    } | more


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
