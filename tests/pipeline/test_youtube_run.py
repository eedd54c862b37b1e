"""Notebooks 01 and 02 on a channel, as `make report CHANNELS=...` runs them."""

import json

from tests.collect.youtube.site.videos import make_video, text_action
from tests.pipeline import stubs

SECRET = "AIza-a-secret-that-must-stay-one"
QUICK = ("01.REQUESTS_PER_S=500.0", "02.REQUESTS_PER_S=500.0", "01.LISTING=yt-dlp", "02.LISTING=yt-dlp")


def small_video(letter, **facts):
    video_id = letter * 11
    actions = [text_action(i, f"{letter} {i}", offset_ms=i * 60_000, video_id=video_id) for i in range(5)]
    return make_video(video_id, actions, duration_s=300, **facts)


def test_a_channels_address_becomes_two_chapters(youtube, tmp_path, monkeypatch):
    channel = youtube.add_channel("@sample", [small_video("a"), small_video("b", status="bot_check")])
    youtube.api_key = SECRET
    monkeypatch.setenv("YOUTUBE_API_KEY", SECRET)
    run = {"channels": "https://www.youtube.com/@sample/streams", "overrides": QUICK, "runs_dir": tmp_path}
    stubs.run("channel", only="01", **run)
    new = small_video("c")
    youtube.add_videos(new)
    channel.videos.insert(0, new)
    stubs.run("channel", only="02", **run)
    results = json.loads((tmp_path / "channel" / "results" / "02_update.json").read_text())
    assert results["headline"] == {"new streams": 1, "new messages": 5}
    page = (tmp_path / "channel" / "02_update.html").read_text()
    assert "1 new, 1 tried again: 1 complete, 1 blocked" in page
    assert "cookies" in page
    for path in (tmp_path / "channel").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
            assert not path.name.endswith(("-wal", "-shm"))
