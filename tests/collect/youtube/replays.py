"""What tests of replays share: one source asked for one video of the local YouTube, quickly."""

from chatlib.collect.youtube.replay import Way, fetch_replay
from chatlib.collect.youtube.transport import Politeness
from chatlib.records import Message
from tests.collect.youtube.site.videos import video_of_batches

SOURCES = ("chat-downloader", "yt-dlp")


def quick(**given):
    """Return a politeness that does not make a test wait."""
    return Politeness(**{"per_s": 1000, "timeout_s": 2.0, "backoff_s": 0.01, **given})


def fetch(video_id, source, folder, **given):
    """Return the replay of a video from one source, or several."""
    sources = (source,) if isinstance(source, str) else source
    return fetch_replay(video_id, {}, way=Way(quick(**given), folder / "parts", sources))


def respond(*items):
    """Return a response of InnerTube's with these items."""
    return {"continuationContents": {"liveChatContinuation": {"actions": list(items)}}}


def show(youtube, *responses, video_id="realreplay0", duration_s=1):
    """Let the local YouTube hold one video with a replay of these responses."""
    video = video_of_batches(responses, video_id=video_id, duration_s=duration_s)
    video.chat._views["top"] = video.chat._respond("top", [[]])  # the fake cannot choose among odd items
    youtube.add_videos(video)
    return video


def messages_of(replay):
    """Return a replay's rows as messages."""
    return [Message._make(row) for row in replay.chat.rows]
