"""From chats to the front page and the explorer without a notebook: seconds, for who cuts clips."""

from __future__ import annotations

from pathlib import Path

from chatlib.collect.address import find_video_id
from chatlib.errors import NotEnoughData, ParameterError
from chatlib.files import map_write_errors
from chatlib.pipeline.explorer import ExplorerSettings, write_explorer
from chatlib.pipeline.report import render_index
from chatlib.pipeline.settings import RunSettings, describe_run, load_steps, lock_run
from chatlib.store import Store, open_store
from chatlib.workspace import open_workspace

__all__ = ["explore_chats"]


def explore_chats(settings: RunSettings) -> Path:
    """Load chats into a run, write the pages that need no notebook; return the path of the first one.

    `chats` is a file or a folder of them, `channels` the address of a channel, or of one recording; without
    either it is the sample. Chapters that ran before keep their place on the first page, and the parameters
    of notebook 05 hold here too.
    Raises: ParameterError for a name that is none, or a run in progress; NotEnoughData where no message has
    a time; what reading or fetching the chats raises.
    """
    run_dir = settings.run_dir
    chats = (Path.cwd() / Path(settings.chats).expanduser()).resolve() if settings.chats else None
    if chats and not chats.exists():
        raise ParameterError(f"A report is made of a chat file or a folder; there is nothing at {chats}.")
    with map_write_errors(run_dir):
        workspace = open_workspace(run_dir)
        with lock_run(run_dir):
            with open_store(workspace.db, create=True) as db:
                _fill(db, settings, chats)
            steps = load_steps(run_dir)
            analyzed = steps["05_analyze"].parameters if "05_analyze" in steps else {}
            facts = write_explorer(run_dir, ExplorerSettings.from_parameters(analyzed))
            if not facts["streams"]:
                reasons = " ".join(facts["skipped"][:1])
                raise NotEnoughData(
                    f"A page needs a stream whose messages have times, and there is none. {reasons}".strip()
                )
            record = describe_run(run_dir, steps, chats=chats, channels=settings.channels, general={})
            return render_index(run_dir, record)


def _fill(db: Store, settings: RunSettings, chats: Path | None) -> None:
    from chatlib.collect.collection import fetch_chat
    from chatlib.collect.sites import CollectSettings
    from chatlib.collect.sources import fill_database

    if settings.channels and find_video_id(settings.channels):
        chat = fetch_chat(settings.channels)
        db.save_chat(chat.stream, chat.messages)
        return
    source = "chats" if chats else "channels" if settings.channels else "sample"
    report = fill_database(
        db,
        source,
        CollectSettings(limit=settings.limit),
        chats=str(chats or ""),
        channels=settings.channels or "",
        update=source == "sample",
    )
    report.require_usable()
