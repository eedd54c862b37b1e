"""The Parquet data set: what goes in comes out again, and other programs read it as it is."""

import json
import random
import re
import shutil
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from chatlib.__main__ import main
from chatlib.analyze.analytics.chat_analytics import save
from chatlib.analyze.analytics.readers import analyze_stream, load_talk
from chatlib.collect.files.importing import import_chats
from chatlib.collect.files.into_dataset import Pseudonyms, export_store, import_dataset, import_into_dataset
from chatlib.dataset import SCHEMAS, open_dataset, read_table
from chatlib.errors import DamagedStore, MissingSource, NewerSchema, ParameterError
from chatlib.records import Clip, HeatStep, Message, Stream
from chatlib.store import open_store
from tests.places import CHANNEL_2023, ROOT

SAMPLE = ROOT / "data" / "sample"
STREAM = Stream("twitch", "../1", title="=1+1", channel_name="a/b", started_at="2026-01-01", simulated=True)
MESSAGES = [
    Message("m0", "text_message", 2.5, "U1", "Ann", text="hi ＠Bob, it's me, Ann", badges='["Mod", "é"]'),
    Message("m1", "text_message", None, None, None, text=""),
    Message("m2", "paid_message", -1.0, "U2", "Bob", amount_text="$5.00", amount="5.00", currency="USD"),
    Message("m2", "ticker_paid_message_item", -1.0, "U2", "Bob", amount_text="$5.00", amount="5.00"),
    Message("m3", "paid_message", 3.0, "U2", "Bob", amount_text="¥500", amount="500", currency="JPY"),
    Message("m4", "paid_message", 4.0, "U2", "Bob", amount_text=f"{10**30} €", amount=str(10**30)),
    Message("m5", "resubscription", 5.0, "U2", "Bob", notice="Bob subscribed for 9 months at Tier 1!"),
    Message(
        "m6", "text_message", 6.0, "U2", "Bob", bits=100, emotes='["a"]', timestamp_us=1_700_000_000_123_456
    ),
    Message("m7", "deleted_message", 6.0, target_id="m6"),
]


@pytest.fixture
def db(tmp_path):
    with open_store(tmp_path / "chat.dbs", create=True) as store:
        saved = store.save_chat(STREAM, MESSAGES)
        store.save_clips(saved.stream_id, [Clip("c", 1.0, 30.0, "a clip", 7, None, "Ann")])
        other = store.save_chat(Stream("youtube", "b" * 11, state="failed", reason="why"))
        store.save_heatmap(other.stream_id, [HeatStep(0.0, 5.0, 0.25), HeatStep(5.0, 10.0, 1.0)])
        yield store


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A database with the newest streams of the sample and the data set of it, to be read only."""
    folder = tmp_path_factory.mktemp("sample")
    with open_store(folder / "sample.dbs", create=True) as store:
        import_chats(store, SAMPLE / "new")
        yield store, export_store(store, folder / "set")


def bring_back(dataset, path):
    with open_store(path, create=True) as back:
        report = import_dataset(back, dataset)
        return report, back.digest(), (back.load_clips(), back.load_heatmaps())


def test_a_database_comes_back_without_a_difference(db, tmp_path):
    report, digest, beside = bring_back(export_store(db, tmp_path / "set"), tmp_path / "back.dbs")
    assert (report.totals["streams"], report.n_added, report.errors) == (2, len(MESSAGES), {})
    assert digest == db.digest()
    pd.testing.assert_frame_equal(beside[0], db.load_clips())
    pd.testing.assert_frame_equal(beside[1], db.load_heatmaps())


def test_who_had_which_message_comes_back(db, tmp_path):
    sightings = (
        "SELECT video_id, message_id, kind, live, replay FROM sightings JOIN streams USING (stream_id)"
    )
    db.save_chat(STREAM._replace(video_id="2", view="captured"), MESSAGES[:3])
    db.save_chat(STREAM._replace(video_id="2"), MESSAGES[1:])
    db.save_chat(STREAM._replace(video_id="3", view="captured"), MESSAGES)
    expected = db.query(sightings)
    assert len(expected[["live", "replay"]].drop_duplicates()) == 3
    with open_store(tmp_path / "back.dbs", create=True) as back:
        import_dataset(back, export_store(db, tmp_path / "set"))
        pd.testing.assert_frame_equal(back.query(sightings), expected)
        assert back.digest() == db.digest()


def test_a_stream_of_several_row_groups_is_as_one_of_one(db, tmp_path, monkeypatch):
    whole = export_store(db, tmp_path / "whole")
    monkeypatch.setattr("chatlib.dataset._ROWS", 2)
    monkeypatch.setattr("chatlib.queries._BATCH", 2)
    dataset = export_store(db, tmp_path / "set")
    assert pq.ParquetFile(dataset.folder / dataset.files[0].path).num_row_groups == 5
    assert bring_back(dataset, tmp_path / "back.dbs")[1] == db.digest()
    assert dataset.read_messages(1).to_pylist() == whole.read_messages(1).to_pylist()
    columns = ("author_id", "name", "text", "amount", "timestamp_us", "stream_id")
    pd.testing.assert_frame_equal(
        dataset.load_messages(columns=columns), whole.load_messages(columns=columns)
    )
    for own, other in zip(dataset.load_chat_columns(1), whole.load_chat_columns(1), strict=True):
        assert list(own) == list(other) or np.array_equal(own, other, equal_nan=True)


def test_files_become_the_same_data_set_as_by_way_of_a_database(sample, tmp_path):
    store, dataset = sample
    assert bring_back(dataset, tmp_path / "one.dbs")[1] == store.digest()
    report = import_into_dataset([SAMPLE / "new"], tmp_path / "set")
    assert report.totals["messages"] == dataset.manifest["messages"] == report.n_added
    assert bring_back(open_dataset(tmp_path / "set"), tmp_path / "back.dbs")[1] == store.digest()
    again = import_into_dataset([SAMPLE / "new"], tmp_path / "set")
    assert {file.state for file in again.files} == {"known"} and again.totals == report.totals


def test_a_stream_of_several_files_is_joined_as_the_database_joins_it(tmp_path):
    chats = tmp_path / "chats"
    rows = [
        {"message_id": str(i), "message_type": "text_message", "time_in_seconds": i % 7, "message": "x",
         "author": {"id": f"U{i % 3}", "name": f"n{i}"}} for i in range(30)
    ]  # fmt: skip
    chats.mkdir()
    parts = {"a [dQw4w9WgXcQ]": rows[:20], "b [dQw4w9WgXcQ]": rows[10:], "c [aaaaaaaaaaa]": rows}
    for name, part in parts.items():
        (chats / f"{name}.json").write_text(json.dumps(part))
    with open_store(tmp_path / "chat.dbs", create=True) as store:
        import_chats(store, chats)
        digest = store.digest()
    import_into_dataset([chats], tmp_path / "once")
    for name in "abc":
        import_into_dataset(sorted(chats.glob(f"{name}*")), tmp_path / "pieces")
    for name in ("once", "pieces"):
        dataset = open_dataset(tmp_path / name)
        assert dataset.manifest["messages"] == 60
        assert bring_back(dataset, tmp_path / f"{name}.dbs")[1] == digest


def test_what_an_import_adds_to_stays_and_a_missing_file_is_read_again(db, tmp_path):
    dataset = export_store(db, tmp_path / "set")
    beside = [dataset.load_beside(name) for name in ("clips", "heatmaps")]
    import_into_dataset([SAMPLE / "new"], tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert [dataset.load_beside(name) for name in ("clips", "heatmaps")] == beside
    assert (dataset.manifest["streams"], dataset.manifest["clips"]) == (6, 1)
    (dataset.folder / next(f.path for f in dataset.files if f.sources)).unlink()
    for left in ("set/.authors.0a.part.parquet", "set/parts/.b.0a.part.parquet", "set/parts/tmp/chat.dbs"):
        (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / left).write_bytes(b"of a process that was killed")
    report = import_into_dataset([SAMPLE / "new"], tmp_path / "set")
    assert sorted(file.state for file in report.files) == ["imported", "known", "known", "known"]
    assert report.totals["streams"] == 6
    assert not [*dataset.folder.rglob(".*"), *dataset.folder.rglob("parts")]


def test_a_stream_whose_file_is_gone_is_named_by_the_next_import(db, tmp_path):
    dataset = export_store(db, tmp_path / "set")
    (gone := dataset.folder / dataset.files[0].path).unlink()
    report = import_into_dataset([SAMPLE / "new"], dataset.folder)
    assert list(report.errors) == [gone] and "with 9 messages" in report.errors[gone]
    assert open_dataset(dataset.folder).manifest["streams"] == report.totals["streams"] == 5
    assert not import_into_dataset([SAMPLE / "new"], dataset.folder).errors


def check_analytics(store, dataset, folder):
    for own, other in zip(store.list_streams(), dataset.list_streams(), strict=True):
        assert own._replace(stream_id=0) == other._replace(stream_id=0)
        save(analyze_stream(store, own), folder / "a.json")
        save(analyze_stream(dataset, other), folder / "b.json")
        assert (folder / "a.json").read_bytes() == (folder / "b.json").read_bytes()


def test_analytics_are_equal_byte_by_byte(sample, tmp_path):
    store, dataset = sample
    check_analytics(store, dataset, tmp_path)
    own_talk, other_talk = (load_talk(chat, chat.list_streams()[-1]) for chat in sample)
    assert own_talk.spoken["text"].tolist() == other_talk.spoken["text"].tolist()
    assert own_talk.paid_s.tolist() == other_talk.paid_s.tolist() and len(own_talk.spoken) > 100


def test_the_columns_are_typed(db, tmp_path):
    dataset = export_store(db, tmp_path / "set")
    table = dataset.read_messages(1)
    assert table.schema.remove_metadata() == SCHEMAS["messages"]
    paid = {row["message_id"]: row for row in table.to_pylist()}
    assert paid["m2"]["amount"] == Decimal(5) and paid["m2"]["amount_digits"] == 2
    assert paid["m0"]["badges"] == ["Mod", "é"] and paid["m1"]["badges"] is None
    assert paid["m4"]["amount"] is None and paid["m4"]["amount_text"].endswith("€")
    for name in ("streams", "authors", "clips", "heatmaps"):
        assert pq.read_schema(tmp_path / "set" / f"{name}.parquet").equals(SCHEMAS[name])
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert manifest["columns"]["messages"]["amount"] == "decimal128(24, 6)"
    assert (manifest["streams"], manifest["messages"], manifest["authors"]) == (2, len(MESSAGES), 2)


def check_counts(counts, sample):
    own = sample[0].query("SELECT kind, count(*) AS n FROM messages GROUP BY kind")
    assert counts == dict(zip(own["kind"], own["n"], strict=True))


def test_pandas_reads_it_as_it_is(sample):
    _, dataset = sample
    table = pd.read_parquet(dataset.folder / "messages")
    assert {"platform", "channel"} <= set(table) and table["kind"].dtype == "category"
    check_counts(table["kind"].value_counts().to_dict(), sample)
    streams = pd.read_parquet(dataset.folder / "streams.parquet")
    joined = table.merge(streams[["video_id", "title"]], on="video_id")
    assert len(joined) == len(table) and isinstance(table["amount"].dropna().iloc[0], Decimal)


def test_duckdb_reads_it_as_it_is(sample):
    duckdb = pytest.importorskip("duckdb", reason="DuckDB comes with `make setup EXTRAS=cluster`")
    with duckdb.connect() as db:
        db.execute("SET threads = 1")
        files = f"read_parquet('{sample[1].folder}/messages/**/*.parquet', hive_partitioning = true)"
        rows = db.execute(f"SELECT kind, count(*) FROM {files} GROUP BY kind").fetchall()
        check_counts(dict(rows), sample)
        (total,) = db.execute(f"SELECT sum(amount) FROM {files} WHERE currency = 'USD'").fetchone()
        (n,) = db.execute(f"SELECT count(*) FROM {files} WHERE list_contains(badges, 'Moderator')").fetchone()
        (platform,) = db.execute(f"SELECT DISTINCT platform FROM {files}").fetchone()
    assert isinstance(total, Decimal) and n > 0 and platform == "youtube"


def test_polars_reads_it_as_it_is(sample):
    polars = pytest.importorskip("polars", reason="Polars comes with `make setup EXTRAS=cluster`")
    table = polars.read_parquet(f"{sample[1].folder}/messages/**/*.parquet", hive_partitioning=True)
    counts = table.with_columns(polars.col("kind").cast(polars.String)).group_by("kind").len()
    check_counts(dict(counts.iter_rows()), sample)
    assert table["amount"].dtype == polars.Decimal(24, 6) and table["badges"].dtype == polars.List(
        polars.String
    )
    assert set(table["platform"]) == {"youtube"}


def test_pseudonyms_tell_people_apart_and_name_nobody(db, tmp_path):
    dataset = export_store(db, tmp_path / "set", pseudonyms=Pseudonyms())
    everything = "".join(
        json.dumps(pq.read_table(path, partitioning=None).to_pylist(), default=str)
        for path in (tmp_path / "set").rglob("*.parquet")
    )
    assert not {"U1", "U2", "Bob", "m6"} & set(everything.replace('"', " ").replace(",", " ").split())
    rows = dataset.read_messages(1).to_pylist()
    assert len({row["author_id"] for row in rows}) == 3  # two people, and nobody
    assert [row["text"] for row in rows if row["text"]] == ["hi @… it's me, Ann"]
    assert [row["notice"] for row in rows if row["notice"]] == ["… subscribed for 9 months at Tier 1!"]
    others = export_store(db, tmp_path / "other", pseudonyms=Pseudonyms()).read_messages(1).to_pylist()
    assert not {row["author_id"] for row in rows} & {row["author_id"] for row in others} - {None}
    _, _, (clips, _) = bring_back(dataset, tmp_path / "back.dbs")
    assert clips["creator"].str.startswith("viewer-").all() and clips["views"].tolist() == [7]


def test_pseudonyms_and_names_are_not_mixed(db, tmp_path):
    dataset = export_store(db, tmp_path / "set", pseudonyms=Pseudonyms())
    before = dataset.manifest
    with pytest.raises(ParameterError, match="of pseudonyms takes in nothing else"):
        import_into_dataset([SAMPLE / "new"], dataset.folder)
    assert open_dataset(dataset.folder).manifest == before
    digest = db.digest()
    report = import_dataset(db, dataset)
    assert len(report.errors) == 1 and db.digest() == digest  # the other stream has no message
    for n_added in (len(MESSAGES), 0):
        with open_store(tmp_path / "back.dbs", create=True) as back:
            report = import_dataset(back, dataset)
            assert (report.n_added, report.errors) == (n_added, {})


def test_an_export_is_of_one_moment(db, tmp_path, monkeypatch):
    load = db.load_clips

    def write_and_load():
        with open_store(db.path) as other:
            other.save_clips(other.save_chat(Stream("twitch", "2")).stream_id, [Clip("late")])
        return load()

    monkeypatch.setattr(db, "load_clips", write_and_load)
    dataset = export_store(db, tmp_path / "set")
    assert (dataset.manifest["streams"], dataset.manifest["clips"]) == (2, 1)
    assert len(db.load_streams()) == 3


def test_hostile_names_stay_within_the_folder(db, tmp_path):
    export_store(db, tmp_path / "deep" / "set")
    assert {path.name for path in tmp_path.iterdir()} == {"deep", "chat.dbs", "chat.dbs-wal", "chat.dbs-shm"}
    assert len(list((tmp_path / "deep" / "set" / "messages").rglob("*.parquet"))) == 2


def test_a_second_export_replaces_the_first(db, tmp_path):
    export_store(db, tmp_path / "set")
    (old := tmp_path / "set" / "messages" / "platform=x").mkdir()
    shutil.copy(next((tmp_path / "set").rglob("*.parquet")), old)
    export_store(db, tmp_path / "set")
    assert len(list((tmp_path / "set" / "messages").rglob("*.parquet"))) == 2
    (tmp_path / "set" / "thesis.txt").write_text("mine")
    with pytest.raises(ParameterError, match="thesis"):
        export_store(db, tmp_path / "set")


def test_an_unfinished_a_newer_and_a_damaged_data_set_say_so(db, tmp_path):
    dataset = export_store(db, tmp_path / "set")
    manifest = tmp_path / "set" / "manifest.json"
    content = manifest.read_text()
    manifest.unlink()
    with pytest.raises(MissingSource, match="not finished"):
        open_dataset(tmp_path / "set")
    manifest.write_text(content.replace('"version": 1', '"version": 9'))
    with pytest.raises(NewerSchema):
        open_dataset(tmp_path / "set")
    manifest.write_text(content)
    path = tmp_path / "set" / dataset.files[0].path
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DamagedStore, match="Make the data set again"):
        dataset.read_messages(1)
    report, _, _ = bring_back(dataset, tmp_path / "back.dbs")
    assert report.totals["streams"] == 1 and list(report.errors) == [path]
    path.unlink()
    with pytest.raises(DamagedStore, match="no such file"):
        dataset.read_messages(1)


def test_a_bit_that_changed_is_an_error_and_never_another_word(sample, tmp_path):
    dataset, rng, n_refused = sample[1], random.Random(1), 0
    file, whole = dataset.files[0], dataset.read_messages(1)
    damaged = tmp_path / file.path
    damaged.parent.mkdir(parents=True)
    for _ in range(40):
        data = bytearray((dataset.folder / file.path).read_bytes())
        end = len(data) - 8 - int.from_bytes(data[-8:-4], "little")  # where the file's own record begins
        data[rng.randrange(4, end)] ^= 1 << rng.randrange(8)
        damaged.write_bytes(data)
        try:
            assert read_table(tmp_path, file).equals(whole)
        except DamagedStore:
            n_refused += 1
    assert n_refused > 30


def test_the_commands_take_it_there_and_back(db, tmp_path, capsys):
    folder, back = str(tmp_path / "set"), str(tmp_path / "back.dbs")
    assert main(["export", str(db.path), folder]) == 0
    assert main(["import", folder, "--db", back]) == 0
    with open_store(back) as store:
        assert store.digest() == db.digest()
    assert "2 streams, 9 messages, 2 authors, 1 clips" in capsys.readouterr().out
    chats = str(SAMPLE / "new")
    assert main(["import", chats, "--dataset", str(tmp_path / "files")]) == 0
    assert open_dataset(tmp_path / "files").manifest["streams"] == 4
    assert main(["import", chats, "--dataset", folder, "--db", back]) == 2
    assert main(["import", chats, folder, "--db", back]) == 2


def test_numbers_below_their_least_are_refused(tmp_path, capsys):
    for words in (["history", "d", "o", "--buckets=-1"], ["teach", "h", "o", "--max-rows=0"]):
        assert main(["scale", *words]) == 2
        assert re.search(r"^chatlib: --[a-z-]+ must be [01] or more, got", capsys.readouterr().err)
    with pytest.raises(ParameterError, match="`limit` must be >= 0"):
        import_into_dataset([tmp_path], tmp_path / "set", limit=-1)


@pytest.mark.real
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not CHANNEL_2023.is_dir(), reason="needs the real channel in ../shared/data")
def test_a_real_year_comes_back_without_a_difference(tmp_path):
    with open_store(tmp_path / "chat.dbs", create=True) as store:
        import_chats(store, CHANNEL_2023)
        dataset = export_store(store, tmp_path / "set")
        assert bring_back(dataset, tmp_path / "back.dbs")[1] == store.digest()
        import_into_dataset([CHANNEL_2023], tmp_path / "files")
        by_files = open_dataset(tmp_path / "files")
        assert bring_back(by_files, tmp_path / "again.dbs")[1] == store.digest()
        check_analytics(store, dataset, tmp_path)
        check_analytics(store, by_files, tmp_path)
