"""The chat of VODs on a local Twitch."""

import pytest

from chatlib.collect.sites import ResumeFile
from chatlib.collect.transport import Politeness, Stopped
from chatlib.collect.twitch.site import fetch_chat_of
from chatlib.errors import SourceRefused
from chatlib.records import TWITCH, Stream
from tests.collect.twitch.site.graphql import Vod, make_comment, make_vod


@pytest.fixture
def fetch(tmp_path):
    """Fetch a VOD's chat; its duration is known unless another is given."""

    def fetch_vod(vod, *, duration_s=None, attempts=7, on_progress=None):
        politeness = Politeness(per_s=1000, timeout_s=30.0, backoff_s=0.01, attempts=attempts)
        stream = Stream(TWITCH, vod.id, duration_s=duration_s or vod.duration_s)
        saved = ResumeFile(tmp_path / f"twitch-{vod.id}.jsonl")
        return fetch_chat_of(stream, politeness, saved, on_progress=on_progress)

    return fetch_vod


def ids_of(replay):
    return [message.message_id for message in replay.messages]


def offsets_asked(twitch):
    return [
        variables["contentOffsetSeconds"] for name, variables in twitch.asked if name.startswith("VideoC")
    ]


def test_every_comment_comes_once_and_in_order(twitch, fetch):
    vod = make_vod("2001", 500)
    twitch.add_channel("sample", [vod])
    replay = fetch(vod)
    assert ids_of(replay) == vod.ids
    assert (replay.stream.state, replay.stream.view, replay.stream.reason) == ("complete", "live", None)
    assert offsets_asked(twitch) == sorted(set(offsets_asked(twitch)))
    assert not any("cursor" in variables for _, variables in twitch.asked)


def test_seconds_that_no_page_can_hold_are_counted(twitch, fetch):
    offsets = [10] * 5 + [20] * 200 + [21] * 3 + [40] * 150 + [3000]
    comments = [make_comment(number, offset, "hi", vod="2001") for number, offset in enumerate(offsets)]
    vod = Vod("2001", comments, overlap=5)
    twitch.add_channel("sample", [vod])
    replay = fetch(vod)
    assert {"2001-0", "2001-205", "2001-358"} < set(ids_of(replay)) < set(vod.ids)
    assert replay.stream.state == "complete"
    assert replay.stream.reason == "2 seconds were so full that comments may be missing"


def test_a_second_that_fills_a_page_is_whole_where_the_next_page_overlaps(twitch, fetch):
    comments = [make_comment(number, 20, "hi", vod="2001") for number in range(70)]
    comments += [make_comment(number, 3500, "hi", vod="2001") for number in range(70, 100)]
    vod = Vod("2001", comments, overlap=30)
    twitch.add_channel("sample", [vod])
    replay = fetch(vod)
    assert (ids_of(replay), replay.stream.reason) == (vod.ids, None)


def test_an_end_long_before_the_vods_is_asked_behind(twitch, fetch):
    comments = [make_comment(number, number, "hi", vod="2001") for number in range(100)]
    vod = Vod("2001", comments, duration_s=7200)
    twitch.add_channel("sample", [vod])
    replay = fetch(vod)
    assert ids_of(replay) == vod.ids
    assert (replay.stream.state, replay.stream.reason) == (
        "complete",
        "the chat ends at 0:01:39 of 2:00:00; nothing lies behind it",
    )
    assert offsets_asked(twitch)[-1] > 3000


def test_a_vod_that_is_gone_and_one_without_chat_are_told_apart(twitch, fetch):
    gone, silent = make_vod("2001", 10, is_gone=True), Vod("2002", [])
    twitch.add_channel("sample", [gone, silent])
    for vod, reason in ((gone, "deleted, private, or expired"), (silent, "has no chat")):
        with pytest.raises(SourceRefused, match=reason) as caught:
            fetch(vod)
        assert caught.value.state == "no_replay"


def test_errors_that_do_not_end_leave_a_part_that_a_second_call_completes(twitch, youtube, fetch, tmp_path):
    vod = make_vod("2001", 500)
    twitch.add_channel("sample", [vod])
    fetch_pages = []

    def fail(offset_s):
        fetch_pages.append(offset_s)
        if len(fetch_pages) == 4:
            youtube.fail_next("service_error", "/gql", times=3)

    part = fetch(vod, attempts=3, on_progress=fail)
    assert part.stream.state == "partial"
    assert "the replay broke off at" in part.stream.reason
    assert "service error" in part.stream.reason
    assert 0 < len(part.messages) < 500
    n_asked = len(twitch.asked)
    whole = fetch(vod)
    assert (whole.stream.state, ids_of(whole)) == ("complete", vod.ids)
    asked_again = offsets_asked(twitch)[n_asked:]
    assert min(asked_again) > 0


@pytest.mark.parametrize("n_pages", [1, 5, 9])
def test_a_download_stopped_after_any_page_goes_on_to_the_same_content(twitch, fetch, tmp_path, n_pages):
    vod = make_vod("2001", 500)
    twitch.add_channel("sample", [vod])
    seen = []

    def stop(offset_s):
        seen.append(offset_s)
        if len(seen) == n_pages:
            raise Stopped

    with pytest.raises(Stopped):
        fetch(vod, on_progress=stop)
    saved = tmp_path / "twitch-2001.jsonl"
    with saved.open("ab") as file:
        file.write(b'{"items": [half a line')
    assert len(list(ResumeFile(saved).iter_saved())) == n_pages
    replay = fetch(vod)
    assert (replay.stream.state, ids_of(replay)) == ("complete", vod.ids)
