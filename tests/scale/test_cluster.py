"""Tasks on a Ray cluster: each is done once, whatever ends in the middle."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from chatlib.__main__ import main
from chatlib.collect.files.into_dataset import export_store, import_dataset
from chatlib.dataset import open_dataset
from chatlib.errors import ParameterError
from chatlib.files import make_safe_name
from chatlib.pretrain import TrainSettings
from chatlib.pretrain.encoder import load_encoder
from chatlib.pretrain.language_model import new_language_model, save_language_model
from chatlib.records import Message, Stream
from chatlib.scale.cluster import ClusterSettings, Task, open_cluster, prepare_output, run_tasks
from chatlib.scale.streams import EncodeSettings, analyze_dataset, encode_file, plan_streams
from chatlib.store import open_store
from tests.places import ROOT
from tests.scale.work import analyze_and_die, count_and_write
from tests.waiting import find_port, wait_until

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray comes with `make setup EXTRAS=cluster`"
)
N_STREAMS = 6
# `time` for Ray, which gives a node 30 s to start: less than a busy machine takes.
SLOW_CLOCK = SimpleNamespace(**vars(time) | {"monotonic": lambda: time.monotonic() / 10})


def wait_for_no_agent(start):
    """Return Ray's `start_ray_process` for nodes without metrics: others give their agents 15 s to start."""
    unused = [f"--{name}_port=-1" for name in ("metrics_agent", "metrics_export", "dashboard_agent_listen")]

    def run(command, process_type, *arguments, **given):
        return start(command + unused * (process_type == "raylet"), process_type, *arguments, **given)

    return run


def size_node():
    size = {"num_cpus": 1, "object_store_memory": 2**27, "runtime_env_agent_port": find_port()}
    return {**size, "include_log_monitor": False, "no_monitor": True}  # a process each that nobody asks


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """A cluster of two nodes on this machine."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_AUTH_MODE", "disabled")
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("PYTHONPATH", str(ROOT))
        from ray._private import services
        from ray.cluster_utils import Cluster

        environment.setenv("RAY_agent_register_timeout_ms", "300000")
        environment.setenv("RAY_worker_niceness", "0")
        environment.setattr("ray._private.node.time", SLOW_CLOCK)
        environment.setattr("ray._private.utils.get_dashboard_dependency_error", lambda: ImportError())
        environment.setattr(services, "start_ray_process", wait_for_no_agent(services.start_ray_process))
        head = {"include_dashboard": False, "gcs_server_port": find_port(), **size_node()}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        environment.setenv("RAY_ADDRESS", cluster.address)
        with open_cluster(ClusterSettings(cluster.address)) as driver:
            driver.connect()  # once: each connection starts workers of its own
            yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A database of a few small streams, to be read only."""
    folder = tmp_path_factory.mktemp("store")
    with open_store(folder / "chat.dbs", create=True) as db:
        for n in range(N_STREAMS):
            about = {"title": f"s{n}", "channel_name": "c", "started_at": f"2026-01-0{n + 1}"}
            said = [(f"{n}-{i}", "text_message", i * 1.7, f"U{i % 9}", f"n{i % 9}") for i in range(200 + n)]
            messages = [Message(*row, text=f"hey {i % 5}") for i, row in enumerate(said)]
            db.save_chat(Stream("twitch", str(10**9 + n), **about), messages)
        yield db


@pytest.fixture
def dataset(store, tmp_path):
    return export_store(store, tmp_path / "set")


def read_outputs(out):
    """Return the names and bytes of what people read of an output folder."""
    kept = {".json", ".csv"}
    files = [path for path in (out / "platform=twitch").rglob("*") if path.suffix in kept]
    return {path.name: path.read_bytes() for path in files}


def test_without_ray_one_sentence_says_what_to_install(monkeypatch, dataset, tmp_path, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["scale", "analyze", str(dataset.folder), str(tmp_path / "out")]) == 2
    assert "pip install 'chatlib[cluster]'" in capsys.readouterr().err


def test_a_machine_that_is_too_slow_for_ray_is_told_so(monkeypatch, dataset, tmp_path, capsys):
    def init(*_, **__):
        tries.append(0)
        raise Exception("The current node timed out during startup. This could happen because …")

    tries = []
    slow = SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: None)
    monkeypatch.setitem(sys.modules, "ray", slow)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    command = ["scale", "analyze", str(dataset.folder), str(tmp_path / "out")]
    assert main(command) == 2 and len(tries) == 3
    assert "within 30 s" in (said := capsys.readouterr().err) and "name it by --address auto" in said
    assert main([*command, "--address", f"127.0.0.1:{find_port()}"]) == 2 and len(tries) == 3
    assert "none does" in capsys.readouterr().err  # Ray is not asked where nobody listens


# Ray that waits for itself and holds Python's lock, as it does where its node does not answer.
DEAF = """
import ctypes, sys, types
init = lambda *_, **__: ctypes.PyDLL(None).sleep(60)
sys.modules["ray"] = types.SimpleNamespace(is_initialized=lambda: False, init=init)
from chatlib.scale import cluster
cluster._START_S = 0.2
cluster.Cluster(cluster.ClusterSettings()).connect()
"""


def test_a_ray_that_never_starts_ends_the_program_with_the_place_where_it_waits():
    done = subprocess.run([sys.executable, "-c", DEAF], capture_output=True, text=True, cwd=ROOT, timeout=50)
    assert done.returncode == 1 and "Timeout" in done.stderr and "in _connect" in done.stderr


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ParameterError, match="other things"):
        prepare_output(tmp_path, "analyze")


@needs_ray
def test_the_analytics_are_those_of_one_machine_and_are_not_made_twice(nodes, store, dataset, tmp_path):
    assert main(["scale", "analyze", str(dataset.folder), str(tmp_path / "out")]) == 0
    assert main(["analyze", str(store.path), "-o", str(tmp_path / "alone")]) == 0
    found = read_outputs(tmp_path / "out")
    for stream in store.list_streams():
        name = f"{make_safe_name(stream.video_id)}.json"
        assert found[name] == (tmp_path / "alone" / name).read_bytes()
    assert len(found["streams.csv"].splitlines()) == 1 + N_STREAMS
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["failed"] == {}
    with open_cluster(ClusterSettings("nowhere:1")) as cluster:  # not asked: there is nothing to do
        assert analyze_dataset(cluster, dataset, tmp_path / "out").n_known == N_STREAMS


@needs_ray
@pytest.mark.parametrize(
    ("n_tasks", "kills"), [(16, [5]), pytest.param(80, range(5, 75, 7), marks=pytest.mark.real)]
)
def test_workers_that_end_and_a_node_that_goes_cost_a_repetition_and_nothing_else(
    nodes, tmp_path, n_tasks, kills
):
    out = prepare_output(tmp_path / "out", "test")
    (work := tmp_path / "work").mkdir()
    tasks = [Task(str(n), str(n), str(n), (str(work), n, tuple(kills), 0.05)) for n in range(n_tasks)]
    node = nodes.add_node(**size_node())

    def remove_node_in_the_middle():
        wait_until(lambda: len(list((out / "records").glob("*.json"))) >= n_tasks // 3)
        nodes.remove_node(node, allow_graceful=False)

    remover = threading.Thread(target=remove_node_in_the_middle, daemon=True)
    remover.start()
    with open_cluster() as cluster:
        report = run_tasks(cluster, count_and_write, tasks, out, command="test")
    remover.join()
    assert report.failed == {}
    assert report.results == {str(n): n**2 for n in range(n_tasks)}
    assert len(list(work.glob("died-*"))) == len(kills)
    assert {json.loads(path.read_text()) for path in work.glob("out-*")} == {n**2 for n in range(n_tasks)}
    assert len(list((out / "records").iterdir())) == n_tasks


@needs_ray
def test_a_stream_whose_worker_ends_before_its_record_is_there_is_analyzed_again(
    nodes, dataset, tmp_path, monkeypatch
):
    with open_cluster() as cluster:
        analyze_dataset(cluster, dataset, tmp_path / "plain")
        monkeypatch.setattr("chatlib.scale.streams.analyze_file", analyze_and_die)
        report = analyze_dataset(cluster, dataset, tmp_path / "out")
    assert len(report.results) == N_STREAMS and not report.failed
    assert len(list((tmp_path / "out").rglob("*.died"))) == 1
    assert read_outputs(tmp_path / "out") == read_outputs(tmp_path / "plain")


@needs_ray
def test_a_driver_that_is_killed_goes_on_where_it_was(nodes, dataset, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "chatlib", "scale", "analyze", str(dataset.folder), str(out)]
    driver = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_until(lambda: driver.poll() is not None or list(out.glob("records/messages_*.json")))
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    with open_cluster() as cluster:
        report = analyze_dataset(cluster, dataset, out)
        assert report.n_known >= 1 and len(report.results) == N_STREAMS
        analyze_dataset(cluster, dataset, tmp_path / "plain")
    assert read_outputs(out) == read_outputs(tmp_path / "plain")


@needs_ray
def test_a_failed_stream_is_named_and_the_others_go_on(nodes, dataset, tmp_path, capsys):
    damaged, missing = (dataset.folder / file.path for file in dataset.files[2:4])
    damaged.write_bytes(damaged.read_bytes()[:-100])
    missing.unlink()
    arguments = ["scale", "analyze", str(dataset.folder), str(tmp_path / "out")]
    assert main(arguments) == 1
    said = capsys.readouterr().out
    names = [f"twitch/{file.stream.video_id}" for file in dataset.files[2:4]]
    assert f"{N_STREAMS - 2} streams analyzed" in said and all(f"{name}: " in said for name in names)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert sorted(manifest["failed"]) == names
    assert main([*arguments, "--ignore-errors"]) == 0


def make_model(store, folder):
    texts = store.load_messages(columns=["text"])["text"].tolist()
    settings = TrainSettings(vocabulary=100, layers=1, width=32, block_len=32)
    return save_language_model(new_language_model(texts, settings), folder, manifest={})


def test_vectors_are_the_encoders_pooled_or_by_text(store, dataset, tmp_path):
    model = make_model(store, tmp_path / "model")
    (task, *_) = plan_streams(dataset, tmp_path / "pooled", EncodeSettings(str(model)))
    encode_file(task.item)
    rows = store.load_messages([1], columns=["author_id", "text"])
    vectors = load_encoder(model).encode(rows["text"])
    for pooled in pq.read_table(task.item.place(".parquet"), partitioning=None).to_pylist():
        own = vectors[rows["author_id"] == pooled["author_id"]]
        assert pooled["messages"] == len(own)
        for name, expected in (("mean", own.mean(0)), ("maximum", own.max(0)), ("spread", own.std(0))):
            np.testing.assert_allclose(pooled[name], expected, atol=1e-5)
    (task, *_) = plan_streams(dataset, tmp_path / "texts", EncodeSettings(str(model), pooled=False))
    assert encode_file(task.item) == {"messages": 200, "texts": 5}
    table = pq.read_table(task.item.place(".parquet"), partitioning=None)
    np.testing.assert_allclose(table["vector"].to_pylist(), vectors[:5], atol=1e-5)
    assert table["messages"].to_pylist() == [40] * 5


@needs_ray
def test_a_cluster_encodes_every_stream(nodes, store, dataset, tmp_path):
    model = make_model(store, tmp_path / "model")
    out = tmp_path / "out"
    assert main(["scale", "encode", str(dataset.folder), str(model), str(out)]) == 0
    assert json.loads((out / "manifest.json").read_text())["texts"] == 5 * N_STREAMS
    assert len(list(out.rglob("*.parquet"))) == N_STREAMS


@needs_ray
def test_files_become_the_data_set_that_one_machine_makes_of_them(nodes, tmp_path):
    chats = ROOT / "data" / "sample" / "new"
    assert main(["scale", "import", str(chats), str(tmp_path / "set")]) == 0
    assert main(["import", str(chats), "--db", str(tmp_path / "chat.dbs")]) == 0
    with open_store(tmp_path / "chat.dbs") as db, open_store(tmp_path / "back.dbs", create=True) as back:
        import_dataset(back, open_dataset(tmp_path / "set"))
        assert back.digest() == db.digest()


@needs_ray
def test_a_task_that_always_loses_its_worker_ends_as_failed(nodes, tmp_path, monkeypatch):
    monkeypatch.setattr("chatlib.scale.cluster._RETRIES", 1)
    with open_cluster() as cluster:
        ended = dict(enumerate(sorted(cluster.map(os._exit, [1]))))
        failed = sorted(cluster.map(count_and_write, [(str(tmp_path), -1, (), 0.0)]))
    assert "lost" in ended[0].error and "number below 0" in failed[0].error


@needs_ray
@pytest.mark.real
@pytest.mark.timeout(1200)
def test_the_script_for_a_gpu_runs_to_its_end_on_a_cpu():
    command = [sys.executable, ROOT / "tests" / "benchmarks" / "gpu.py", "--smallest"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["seconds"]) == {"simulate", "bench_encode.py", "bench_pretrain.py", "scale encode"}
    assert result["scale encode, messages/s"] > 0
