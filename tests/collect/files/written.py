"""One chat as other programs would write it, in every format; beside each, the fields that it carries."""

import csv
import datetime as dt
import io
import json

import pyarrow as pa
from pyarrow import parquet

from chatlib.collect.files.chat_downloader import row_of_message
from chatlib.records import Message

START_US = 1_626_379_200_000_000  # 2021-07-15 20:00:00 UTC
MEMBER = '["Member (2 months)", "Moderator"]'
SAID = [
    (5, "a", "Ann", "hi, all", None, None),
    (12, "b", "bob_1", '"quoted": yes; a, b', MEMBER, None),
    (12, "c", "あん", "こんにちは 😀 <b>$x</b>", None, None),
    (65, "b", "bob_1", "=1+1 | (x) *y*", MEMBER, None),
    (65, "a", "Ann", "take this", None, "$5.00"),
    (3723, "c", "あん", "late: so", None, None),
]
CHAT = [
    Message(
        f"-id{i}", "paid_message" if amount else "text_message", float(offset), f"UC{key * 22}", name, text,
        None, badges, amount, amount and "5.00", amount and "USD", None, START_US + offset * 1_000_000,
    )
    for i, (offset, key, name, text, badges, amount) in enumerate(SAID)
]  # fmt: skip
ALL = Message._fields
SHOWN = ("kind", "offset_s", "author_name", "text", "badges", "amount_text", "currency")
PLAIN = ("offset_s", "author_name", "text")
ITEMS = ("message_id", "kind", "author_id", "author_name", "text", "badges", "amount_text", "timestamp_us")


def clock(seconds, hours=False):
    h, m, s = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{h}:{m:02}:{s:02}" if h or hours else f"{m}:{s:02}"


def moment(message):
    return dt.datetime.fromtimestamp(message.timestamp_us / 1e6, dt.UTC)


def rows_of(chat):
    return [row_of_message(m) | {"time_text": clock(int(m.offset_s))} for m in chat]


def lines_of(chat, template):
    return "".join(
        template.format(
            c=clock(int(m.offset_s)), h=clock(int(m.offset_s), hours=True), m=moment(m),
            n=m.author_name, t=m.text,
            b=f"({', '.join(json.loads(m.badges))}) " if m.badges else "",
            a=f"*{m.amount_text}* " if m.amount_text else "",
        )
        + "\n"
        for m in chat
    ).encode()  # fmt: skip


def table_of(chat, names, delimiter=","):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    if names:
        writer.writerow(names)
    for m in chat:
        writer.writerow([clock(int(m.offset_s)), m.author_name, m.text, m.amount_text])
    return file.getvalue().encode()


def parquet_of(chat):
    table = pa.table(
        {
            "created_at": pa.array([moment(m) for m in chat], pa.timestamp("ms", "UTC")),
            "user": [m.author_name for m in chat],
            "comment": pa.array([m.text for m in chat]).dictionary_encode(),
            "amount": [m.amount_text for m in chat],
        }
    )
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def items_of(chat):
    roles = [
        {"isModerator": "Moderator" in (m.badges or ""), "isOwner": False, "isVerified": False} for m in chat
    ]
    return [
        {
            "id": m.message_id,
            "author": {"name": m.author_name, "channelId": m.author_id}
            | ({"badge": {"label": json.loads(m.badges)[0]}} if m.badges else {}),
            "message": [{"text": m.text}],
            "timestamp": moment(m).isoformat(),
            **({"superchat": {"amount": m.amount_text, "color": "#1"}} if m.amount_text else {}),
            **role,
        }
        for m, role in zip(chat, roles, strict=True)
    ]


def comments_of(chat):
    return [
        {
            "_id": m.message_id, "content_offset_seconds": m.offset_s, "created_at": moment(m).isoformat(),
            "commenter": {"_id": m.author_id, "display_name": m.author_name}, "message": {"body": m.text},
        }
        for m in chat
    ]  # fmt: skip


def pages_of(chat):
    edges = [
        {
            "node": {
                "id": m.message_id, "contentOffsetSeconds": int(m.offset_s),
                "createdAt": moment(m).isoformat(),
                "commenter": {"id": m.author_id, "displayName": m.author_name},
                "message": {"fragments": [{"text": m.text}], "userBadges": []},
            }
        }
        for m in chat
    ]  # fmt: skip
    return [{"data": {"video": {"id": "123456789", "comments": {"edges": edges}}}}]


def actions_of(chat):
    return [
        {
            "replayChatItemAction": {
                "videoOffsetTimeMsec": str(int(m.offset_s * 1000)),
                "actions": [action_of(m)],
            }
        }
        for m in chat
    ]


def action_of(m):
    name = "liveChatPaidMessageRenderer" if m.amount_text else "liveChatTextMessageRenderer"
    titles = json.loads(m.badges or "[]")
    shown = {
        "id": m.message_id, "timestampUsec": str(m.timestamp_us), "authorName": {"simpleText": m.author_name},
        "authorExternalChannelId": m.author_id, "purchaseAmountText": {"simpleText": m.amount_text},
        "message": {"runs": [{"text": m.text}]},
        "authorBadges": [{"liveChatAuthorBadgeRenderer": {"tooltip": title}} for title in titles],
    }  # fmt: skip
    return {"addChatItemAction": {"item": {name: shown}}}


def as_json(make):
    return lambda chat: json.dumps(make(chat), ensure_ascii=False).encode()


def as_lines(make):
    return lambda chat: "\n".join(json.dumps(row) for row in make(chat)).encode()


def text(template, head=""):
    return lambda chat: (head and f"{head}\n").encode() + lines_of(chat, template)


FILES = {
    "flat.csv": (lambda chat: table_of(chat, ["time_text", "author_name", "message", "amount"]), SHOWN[:4]),
    "table.csv": (lambda chat: table_of(chat, ["Time", "User Name", "Comment", "Amount"]), PLAIN),
    "semicolon.csv": (lambda chat: table_of(chat, ["Zeit", "Nutzer", "Nachricht", "Betrag"], ";"), PLAIN),
    "table.tsv": (lambda chat: table_of(chat, ["時刻", "ユーザー", "コメント", "金額"], "\t"), PLAIN),
    "unnamed.csv": (lambda chat: table_of(chat, []), PLAIN),
    "table.parquet": (parquet_of, (*PLAIN, "amount_text")),
    "first.txt": (text("[{c}] {b}{a}{n}: {t}"), SHOWN),
    "relative.txt": (text("[{h}] {n}: {t}"), PLAIN),
    "utc.txt": (text("[{m:%Y-%m-%d %H:%M:%S} UTC] {n}: {t}"), (*PLAIN, "timestamp_us")),
    "plain.txt": (text("({h}) {n} : {t}"), PLAIN),
    "dash.txt": (text("{h} - {n}: {t}"), PLAIN),
    "ann-2021-07-15.log": (text("[{m:%H:%M:%S}] {n}: {t}", "# Start logging at 2021-07-15 19:59:00"), PLAIN),
    "#ann.log": (text("[{m:%Y-%m-%d %H:%M:%S}] <{n}> {t}", "# Log started: 2021-07-15 19:59:00"), PLAIN),
    "irssi.log": (text("{m:%H:%M:%S} <@{n}> {t}", "--- Log opened Thu Jul 15 19:59:00 2021"), PLAIN),
    "youtube-chat.json": (as_json(items_of), ITEMS),
    "youtube-chat.jsonl": (as_lines(items_of), ITEMS),
    "v5.json": (as_json(comments_of), PLAIN),
    "rechat.json": (as_json(lambda chat: {"streamer": {"name": "x"}, "comments": comments_of(chat)}), PLAIN),
    "graphql.json": (as_json(pages_of), (*PLAIN, "author_id", "timestamp_us")),
    "x.live_chat.json": (as_lines(actions_of), ITEMS),
}  # fmt: skip
