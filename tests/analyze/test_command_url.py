"""`analyze` with the address of a stream: fetched from the local YouTube, analyzed, kept on request."""

import json

import pytest

from chatlib.__main__ import main
from tests.collect.youtube.site.videos import make_video, text_action, videos_of_simulation


def test_an_address_gives_what_its_chat_file_gives(youtube, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (video,) = videos_of_simulation(1, 400, seed=6)
    youtube.add_videos(video)
    url = f"https://www.youtube.com/watch?v={video.id}"
    assert (
        main(["analyze", url, "-o", "url", "-sc", "raw.json", "-i", "60", "--chapters", "chapters.txt"]) == 0
    )
    assert main(["analyze", "raw.json", "-o", "file", "-i", "60", "--platform", "youtube"]) == 0
    fetched = json.loads((tmp_path / "url.json").read_text())
    of_file = json.loads((tmp_path / "file.json").read_text())
    assert (fetched["mediaTitle"], fetched["mediaSource"]) == (video.title, url)
    assert fetched["duration"] == video.duration_s
    for key in ("totalActivity", "totalChatMessages", "totalUniqueUsers", "totalSuperchats"):
        assert fetched[key] == of_file[key]
    assert (tmp_path / "chapters.txt").read_text()


@pytest.mark.parametrize(
    ("status", "rule"), [("members_only", "cookies"), ("live", "is not over"), ("no_replay", "no chat")]
)
def test_a_stream_without_a_chat_is_one_sentence(youtube, tmp_path, monkeypatch, capsys, status, rule):
    monkeypatch.chdir(tmp_path)
    actions = [text_action(0, "hello", offset_ms=0)]
    youtube.add_videos(make_video("aaaaaaaaaaa", actions, status=status))
    assert main(["analyze", "https://youtu.be/aaaaaaaaaaa"]) == 1
    assert rule in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_address_elsewhere_says_what_there_is(capsys):
    assert main(["analyze", "https://example.org/videos/1087079172"]) == 2
    assert "https://www.twitch.tv/videos/" in capsys.readouterr().err
