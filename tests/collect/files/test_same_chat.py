"""One chat, written in every format that can carry it, is read back as it was, as far as the format goes."""

import json

import pytest
from chat_downloader.formatting.format import ItemFormatter
from chat_downloader.output.continuous_write import ContinuousWriter

from chatlib.collect.files.chat_downloader import convert_chat_file, save_chat_file
from chatlib.collect.files.formats import FORMATS, read_chat, read_chat_file
from tests.collect.files.written import ALL, CHAT, FILES, MEMBER, SHOWN, rows_of


def check(data, name, fields, chat=CHAT):
    found = read_chat(data, file_name=name, row={})
    first = 0.0
    if found.stream.view == "live":  # counted from the first message
        first = chat[0].offset_s
    wanted = [m._replace(offset_s=m.offset_s - first) for m in chat]
    order = sorted(json.loads(MEMBER))

    def pick(message):
        badges = message.badges and sorted(json.loads(message.badges)) == order
        return [badges if field == "badges" else getattr(message, field) for field in fields]

    assert [pick(m) for m in found.messages] == [pick(m) for m in wanted]
    assert dict(found.skipped) == {}
    return found.format


@pytest.mark.parametrize("name", FILES)
def test_it_is_read_back_from_what_other_programs_write(name):
    write, fields = FILES[name]
    check(write(CHAT), name, fields)


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "txt"])
def test_it_is_read_back_from_what_chat_downloader_writes(tmp_path, suffix):
    path, formatter = tmp_path / f"x.{suffix}", ItemFormatter()
    with ContinuousWriter(str(path)) as writer:
        for row in rows_of(CHAT):
            writer.write(formatter.format(row, format_name="youtube") if suffix == "txt" else row)
    check(path.read_bytes(), path.name, SHOWN if suffix == "txt" else ALL)


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "parquet"])
@pytest.mark.parametrize("source", ["first.txt", "youtube-chat.json", "table.parquet"])
def test_what_convert_writes_is_read_back_whole(tmp_path, suffix, source):
    (tmp_path / source).write_bytes(FILES[source][0](CHAT))
    chat = convert_chat_file(tmp_path / source, tmp_path / f"out.{suffix}")
    data = (tmp_path / f"out.{suffix}").read_bytes()
    check(data, f"out.{suffix}", ALL, chat.messages)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source, f"out.{suffix}"])


def test_every_format_is_here():
    formats = {check(write(CHAT), name, fields) for name, (write, fields) in FILES.items()}
    assert formats | {"chat-downloader", "first version"} == {form.name for form in FORMATS}


def test_items_of_youtube_chat_are_what_youtube_sent(chats):
    """The items are what the package's own parser, version 2.2.0, made of the actions."""
    sent = read_chat(json.dumps(chats["youtube_chat_actions"]).encode(), file_name="x", row={})
    made = read_chat(json.dumps(chats["youtube_chat"]).encode(), file_name="x", row={})
    assert (made.format, sent.format) == ("youtube-chat", "youtube")
    assert made.messages == sent.messages[:-1]  # a deletion is no item
    assert [m.kind for m in made.messages][2:] == [
        "paid_message", "paid_message", "paid_sticker", "membership_item",
    ]  # fmt: skip


def test_real_chat_reads_back_and_comes_out_of_chat_downloader_s_csv_as_out_of_its_json(shared, tmp_path):
    for name in ("early_live_484", "early_live_deletions_1773", "flat_replay_750", "flat_superchats_125"):
        rows = json.loads((shared / f"youtube/chat_downloader/{name}.json").read_text(encoding="utf-8"))
        with ContinuousWriter(str(tmp_path / "x.csv")) as writer:
            for row in rows:
                writer.write(row)
        read = read_chat((tmp_path / "x.csv").read_bytes(), file_name="x.csv", row={})
        wanted = read_chat(json.dumps(rows).encode(), file_name="x.json", row={})
        save_chat_file(tmp_path / "y.json", wanted.messages)
        assert read_chat_file(tmp_path / "y.json").messages == wanted.messages
        assert read.format == "chat-downloader-table"
        assert [m._replace(text=m.text or None) for m in read.messages] == [
            m._replace(text=m.text or None) for m in wanted.messages
        ]
