"""The Data API as the fake plays it."""

import requests

from tests.collect.youtube.site.data_api import DATA_KEY
from tests.collect.youtube.site.videos import make_video

URL = "https://youtube.googleapis.com/youtube/v3/videos"
PARTS = "snippet,liveStreamingDetails,contentDetails,statistics"


def ask(ids, *, key=DATA_KEY, part=PARTS):
    """Return the answer's status and content."""
    headers = {} if key is None else {"X-Goog-Api-Key": key}
    answer = requests.get(URL, params={"part": part, "id": ids}, headers=headers, timeout=60)
    return answer.status_code, answer.json()


def items_of(ids, **given):
    status, content = ask(ids, **given)
    assert status == 200
    return content["items"]


def refusal(ids, **given):
    status, content = ask(ids, **given)
    assert status == content["error"]["code"]
    return status, content["error"]["errors"][0]["reason"]


def test_a_finished_stream(youtube):
    youtube.add_videos(make_video("vid00000001", title="One", duration_s=90_061, views=7))
    (item,) = items_of("vid00000001")
    assert item["snippet"]["title"] == "One"
    assert item["snippet"]["liveBroadcastContent"] == "none"
    assert item["contentDetails"]["duration"] == "P1DT1H1M1S"
    assert item["statistics"]["viewCount"] == "7"
    assert item["liveStreamingDetails"] == {
        "actualStartTime": "2026-03-01T18:00:00Z",
        "actualEndTime": "2026-03-02T19:01:01Z",
        "scheduledStartTime": "2026-03-01T18:00:00Z",
    }
    assert set(items_of("vid00000001", part="snippet")[0]) == {"kind", "etag", "id", "snippet"}


def test_states_and_what_is_gone(youtube):
    states = ("live", "upcoming", "plain", "members_only", "private", "deleted")
    youtube.add_videos(*(make_video(f"{state:_<11.11}", status=state) for state in states))
    items = items_of(",".join([*(f"{state:_<11.11}" for state in states), "neverwas000"]))
    found = {item["id"].rstrip("_"): item.get("liveStreamingDetails") for item in items}
    assert set(found) == {"live", "upcoming", "plain", "members_onl"}
    assert "actualEndTime" not in found["live"]
    assert "actualStartTime" not in found["upcoming"]
    assert found["plain"] is None


def test_refusals(youtube):
    youtube.add_videos(*(make_video(f"vid{i:08d}") for i in range(51)))
    ids = list(youtube.videos)
    assert len(items_of(",".join(ids[:50]))) == 50
    assert refusal(",".join(ids)) == (400, "invalidFilters")
    assert refusal(ids[0], key="AIzaWrong") == (400, "badRequest")
    assert refusal(ids[0], key=None) == (403, "forbidden")
    in_address = requests.get(f"{URL}?part=id&id=a&key={DATA_KEY}", timeout=60)  # where it is not to be
    assert in_address.status_code == 403
    youtube.fail_next("quota")
    assert refusal(ids[0]) == (403, "quotaExceeded")
    youtube.quota_left = 1
    assert len(items_of(ids[0])) == 1
    assert refusal(ids[0]) == (403, "quotaExceeded")
    assert {entry.host for entry in youtube.requests} == {"youtube.googleapis.com"}
