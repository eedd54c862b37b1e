"""The Data API as the fake plays it, asked by google-api-python-client."""

import json

import pytest
import requests
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from tests.collect.youtube.site.data_api import DATA_KEY
from tests.collect.youtube.site.videos import make_video

PARTS = "snippet,liveStreamingDetails,contentDetails,statistics"


def ask(ids, *, key=DATA_KEY, part=PARTS):
    with build("youtube", "v3", developerKey=key, static_discovery=True, cache_discovery=False) as client:
        return client.videos().list(part=part, id=ids).execute()


def refusal(ids, **facts):
    with pytest.raises(HttpError) as caught:
        ask(ids, **facts)
    error = json.loads(caught.value.content)["error"]
    return error["code"], error["errors"][0]["reason"]


def test_a_finished_stream(youtube):
    youtube.add_videos(make_video("vid00000001", title="One", duration_s=90_061, views=7))
    (item,) = ask("vid00000001")["items"]
    assert item["snippet"]["title"] == "One"
    assert item["snippet"]["liveBroadcastContent"] == "none"
    assert item["contentDetails"]["duration"] == "P1DT1H1M1S"
    assert item["statistics"]["viewCount"] == "7"
    assert item["liveStreamingDetails"] == {
        "actualStartTime": "2026-03-01T18:00:00Z",
        "actualEndTime": "2026-03-02T19:01:01Z",
        "scheduledStartTime": "2026-03-01T18:00:00Z",
    }
    assert set(ask("vid00000001", part="snippet")["items"][0]) == {"kind", "etag", "id", "snippet"}


def test_states_and_what_is_gone(youtube):
    states = ("live", "upcoming", "plain", "members_only", "private", "deleted")
    youtube.add_videos(*(make_video(f"{state:_<11.11}", status=state) for state in states))
    items = ask(",".join([*(f"{state:_<11.11}" for state in states), "neverwas000"]))["items"]
    found = {item["id"].rstrip("_"): item.get("liveStreamingDetails") for item in items}
    assert set(found) == {"live", "upcoming", "plain", "members_onl"}
    assert "actualEndTime" not in found["live"]
    assert "actualStartTime" not in found["upcoming"]
    assert found["plain"] is None


def test_refusals(youtube):
    youtube.add_videos(*(make_video(f"vid{i:08d}") for i in range(51)))
    ids = list(youtube.videos)
    assert len(ask(ids[:50])["items"]) == 50
    assert refusal(ids) == (400, "invalidFilters")
    assert refusal(ids[:1], key="AIzaWrong") == (400, "badRequest")
    without = requests.get("https://youtube.googleapis.com/youtube/v3/videos?part=id&id=a", timeout=5)
    assert (without.status_code, without.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    youtube.fail_next("quota")
    assert refusal(ids[:1]) == (403, "quotaExceeded")
    youtube.quota_left = 1
    assert len(ask(ids[:1])["items"]) == 1
    assert refusal(ids[:1]) == (403, "quotaExceeded")
    assert {entry.host for entry in youtube.requests} == {"youtube.googleapis.com"}
