"""The tables of the chat database, as numbered migrations.

Migration N is `MIGRATIONS[N - 1]`; it runs once, in a transaction that also records N as
the database's `user_version`. A released migration is never edited: add one.
"""

__all__ = ["APPLICATION_ID", "FILL_VISITS", "MIGRATIONS"]

APPLICATION_ID = 0x43484154  # "CHAT"; tells our files from other SQLite files

_FIRST = """
CREATE TABLE streams (
    stream_id INTEGER PRIMARY KEY,
    platform TEXT NOT NULL,
    video_id TEXT NOT NULL,
    url TEXT,
    title TEXT,
    channel_id TEXT,
    channel_name TEXT,
    started_at TEXT,            -- UTC, ISO 8601
    ended_at TEXT,
    duration_s REAL,
    state TEXT NOT NULL,        -- how far its chat got: chatlib.records.STATES
    view TEXT NOT NULL,         -- which view of the chat it is: chatlib.records.VIEWS
    simulated INTEGER NOT NULL DEFAULT 0,
    n_messages INTEGER NOT NULL DEFAULT 0,
    last_offset_s REAL,
    updated_at TEXT NOT NULL,
    UNIQUE (platform, video_id)
);
CREATE TABLE authors (
    author INTEGER PRIMARY KEY,
    platform TEXT NOT NULL,
    author_id TEXT NOT NULL,    -- the platform's id, or name:... where a source has none
    name TEXT,                  -- a label, the last one seen
    UNIQUE (platform, author_id)
);
-- The natural key is the primary key and the only index: one stream lies together on disk.
CREATE TABLE messages (
    stream_id INTEGER NOT NULL REFERENCES streams,
    position INTEGER NOT NULL,  -- order in the source; breaks ties of offset_s
    message_id TEXT NOT NULL,
    kind TEXT NOT NULL,         -- chat-downloader's message_type
    offset_s REAL,              -- seconds from the start of the stream
    author INTEGER REFERENCES authors,
    text TEXT,                  -- the author's own words
    notice TEXT,                -- the platform's fixed sentence
    badges TEXT,                -- JSON array of titles
    amount_text TEXT,           -- as written
    amount TEXT,                -- decimal
    currency TEXT,              -- ISO 4217
    bits INTEGER,
    timestamp_us INTEGER,       -- UTC
    emotes TEXT,                -- JSON array of names
    target_id TEXT,             -- the message that a deletion removes
    PRIMARY KEY (stream_id, message_id, kind)
) WITHOUT ROWID;
-- Chat files that are already in, by content, so that a second import need not read them.
CREATE TABLE imports (
    content TEXT PRIMARY KEY,   -- digest of the file's bytes and of the reader's version
    stream_id INTEGER NOT NULL REFERENCES streams,
    file_name TEXT NOT NULL,
    format TEXT NOT NULL,
    n_rows INTEGER NOT NULL,
    skipped TEXT NOT NULL,      -- JSON object: reason -> rows
    imported_at TEXT NOT NULL
);
-- The nine columns of the first version of this research.
CREATE VIEW DBdb AS
SELECT row_number() OVER (ORDER BY s.started_at, s.stream_id, m.offset_s, m.position) AS id,
       s.url AS URL,
       m.kind AS TypeofMessages,
       m.offset_s AS ListofTimes,
       m.badges AS ListofBadges,
       a.name AS ListofAuthors,
       coalesce(m.text, m.notice) AS ListofMessages,
       m.amount AS DonationAmount,
       m.currency AS DonationCurrency
FROM messages m JOIN streams s USING (stream_id) LEFT JOIN authors a ON a.author = m.author;
"""

_SECOND = """
ALTER TABLE streams ADD COLUMN views INTEGER;
ALTER TABLE streams ADD COLUMN reason TEXT;  -- why the state is what it is, belongs to it
-- Channels that are collected, so that an update knows them.
CREATE TABLE channels (
    url TEXT PRIMARY KEY,
    channel_id TEXT,
    name TEXT,
    spreadsheet TEXT,           -- the list of its streams, an ODS file
    n_listed INTEGER,
    listed_at TEXT              -- UTC, ISO 8601
);
"""

_THIRD = """
-- What counts as a payment: the kinds of chatlib.records.DONATION_KINDS, and messages with bits.
-- A membership (membership_item) is none.
CREATE VIEW payments AS
SELECT stream_id, message_id, kind, author, offset_s, position, timestamp_us, amount_text, amount,
       currency, bits
FROM messages
WHERE bits > 0 OR kind IN (
    'anonymous_gift_paid_upgrade', 'anonymous_mystery_subscription_gift',
    'anonymous_subscription_gift', 'community_pay_forward', 'extend_subscription',
    'gift_paid_upgrade', 'mystery_subscription_gift', 'paid_message', 'paid_sticker',
    'prime_paid_upgrade', 'resubscription', 'sponsorships_gift_purchase_announcement',
    'standard_pay_forward', 'subscription', 'subscription_gift'
);
"""

_CLIPS = """
-- What people cut out of streams: a later save of the same clip knows more views.
CREATE TABLE clips (
    stream_id INTEGER NOT NULL REFERENCES streams,
    clip_id TEXT NOT NULL,
    offset_s REAL,              -- where it begins in the stream; the site may be 20 s late
    duration_s REAL,
    title TEXT,
    views INTEGER,
    created_at TEXT,            -- UTC, ISO 8601
    creator TEXT,
    PRIMARY KEY (stream_id, clip_id)
) WITHOUT ROWID;
"""

_HEATMAPS = """
-- YouTube's most-replayed curve, 100 steps of a recording; a later save takes the place of an earlier one.
CREATE TABLE heatmaps (
    stream_id INTEGER NOT NULL REFERENCES streams,
    start_s REAL NOT NULL,
    end_s REAL NOT NULL,
    value REAL NOT NULL,        -- 0 to 1, of the most replayed step
    PRIMARY KEY (stream_id, start_s)
) WITHOUT ROWID;
-- Who had the messages of a stream that was watched live: the capture, its replay, or both. The key is the
-- stored message's, also where the replay gives it another id.
CREATE TABLE sightings (
    stream_id INTEGER NOT NULL REFERENCES streams,
    message_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    live INTEGER NOT NULL DEFAULT 0,
    replay INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (stream_id, message_id, kind)
) WITHOUT ROWID;
"""

_VISITS = """
-- Who was in which stream, added up when messages are saved: the past is known without reading them.
CREATE TABLE visits (
    stream_id INTEGER NOT NULL REFERENCES streams,
    author INTEGER NOT NULL REFERENCES authors,
    n_rows INTEGER NOT NULL,
    chats INTEGER NOT NULL,     -- messages of the kinds chatlib.records.CHAT_KINDS
    chars INTEGER NOT NULL,
    first_s REAL,
    last_s REAL,
    is_owner INTEGER NOT NULL,  -- 1 where a badge is the channel owner's
    badges TEXT,                -- of the last message in source order
    PRIMARY KEY (stream_id, author)
) WITHOUT ROWID;
"""

# What adds messages to `visits`: those that fit `{where}`, none of them for the second time.
FILL_VISITS = """
INSERT INTO visits
SELECT stream_id, author, n_rows, chats, chars, first_s, last_s, is_owner, badges
FROM (
    SELECT stream_id, author, count(*) AS n_rows,
           sum(kind IN ('text_message', 'highlighted_message',
                        'send_message_in_subscriber_only_mode')) AS chats,
           sum(coalesce(length(text), 0)) AS chars, min(offset_s) AS first_s, max(offset_s) AS last_s,
           max(coalesce(badges LIKE '%"broadcaster"%' OR badges LIKE '%"owner"%', 0)) AS is_owner
    FROM messages WHERE author IS NOT NULL AND {where} GROUP BY stream_id, author
) JOIN (
    -- Beside max(), SQLite takes a plain column from the row of the maximum.
    SELECT stream_id, author, badges, max(position)
    FROM messages WHERE author IS NOT NULL AND {where} GROUP BY stream_id, author
) USING (stream_id, author)
WHERE true ON CONFLICT (stream_id, author) DO UPDATE SET
    n_rows = n_rows + excluded.n_rows, chats = chats + excluded.chats, chars = chars + excluded.chars,
    first_s = min(coalesce(first_s, excluded.first_s), coalesce(excluded.first_s, first_s)),
    last_s = max(coalesce(last_s, excluded.last_s), coalesce(excluded.last_s, last_s)),
    is_owner = max(is_owner, excluded.is_owner), badges = excluded.badges
"""

MIGRATIONS: tuple[str, ...] = (
    _FIRST,
    _SECOND,
    _THIRD,
    _CLIPS,
    _HEATMAPS,
    _VISITS + FILL_VISITS.format(where="true") + ";",
)
