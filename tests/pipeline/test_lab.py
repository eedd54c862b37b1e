"""`make lab`: JupyterLab starts, a notebook runs through on its server, and it goes away."""

import json
import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
import uuid

import pytest
import requests
import websocket

from tests.places import ROOT


def read_command(arguments):
    """Return the command of `make lab`, run by the Python that runs this."""
    target = ["make", "--no-print-directory", "-n", "-o", ".venv/ready", "lab", f"ARGS={arguments}"]
    said = subprocess.run(target, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    python, *rest = shlex.split(said.splitlines()[-1])
    assert python == ".venv/bin/python"
    return [sys.executable, *rest]


def find_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Lab:
    """The server's REST and websocket API, asked as JupyterLab asks it."""

    def __init__(self, port, token):
        self.address = f"127.0.0.1:{port}"
        self.headers = {"Authorization": f"token {token}"}

    def ask(self, method, path, body=None):
        answer = requests.request(
            method, f"http://{self.address}{path}", headers=self.headers, json=body, timeout=60
        )
        answer.raise_for_status()
        return answer.json() if answer.content and "json" in answer.headers["Content-Type"] else answer.text

    def open_kernel(self, kernel_id):
        url = f"ws://{self.address}/api/kernels/{kernel_id}/channels"
        header = [f"{key}: {value}" for key, value in self.headers.items()]
        return websocket.create_connection(url, header=header, timeout=120)


def run_cell(connection, code):
    """Run a cell; return the messages that it caused. Fails with the cell's traceback."""
    message_id = uuid.uuid4().hex
    header = {
        "msg_id": message_id,
        "msg_type": "execute_request",
        "username": "",
        "session": "s",
        "version": "5.3",
    }
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "allow_stdin": False,
        "stop_on_error": True,
    }
    request = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
    connection.send(json.dumps(request))
    messages = []
    while True:
        message = json.loads(connection.recv())
        if message["parent_header"].get("msg_id") != message_id:
            continue
        kind, content = message["header"]["msg_type"], message["content"]
        assert kind != "error", "\n".join(content["traceback"])
        if kind == "status" and content["execution_state"] == "idle":
            return messages
        messages.append((kind, content))


@pytest.fixture
def lab(tmp_path):
    port, token = find_port(), secrets.token_hex(16)
    arguments = f"--no-browser --port={port} --ServerApp.port_retries=0 --IdentityProvider.token={token}"
    arguments += " --allow-root" if os.geteuid() == 0 else ""
    places = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            read_command(arguments),
            cwd=ROOT,
            env=os.environ | places,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield wait_for(Lab(port, token), server, tmp_path / "log")
        server.send_signal(signal.SIGTERM)
        assert server.wait(120) == 0
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def wait_for(lab, server, log):
    for _ in range(1800):
        assert server.poll() is None, log.read_text()
        try:
            lab.ask("GET", "/api/status")
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return lab
    raise AssertionError(log.read_text())


def test_it_starts_shows_the_notebooks_to_who_has_the_token_and_goes_away(lab):
    assert "<title>JupyterLab</title>" in lab.ask("GET", "/lab")
    served = {item["name"] for item in lab.ask("GET", "/api/contents/")["content"]}
    assert {"01_collect.ipynb", "05_analyze.ipynb"} <= served
    with pytest.raises(requests.HTTPError, match="403"):
        Lab(lab.address.split(":")[1], "wrong").ask("GET", "/api/contents/")


@pytest.mark.real
def test_a_notebook_runs_through(lab, tmp_path):
    notebook = lab.ask("GET", "/api/contents/01_collect.ipynb")["content"]
    kernel = {"path": "01_collect.ipynb", "type": "notebook", "name": "", "kernel": {"name": "python3"}}
    session = lab.ask("POST", "/api/sessions", kernel)
    connection = lab.open_kernel(session["kernel"]["id"])
    messages = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            code = re.sub(r'^RUN_DIR = "data"', f"RUN_DIR = {str(tmp_path)!r}", "".join(cell["source"]))
            messages += run_cell(connection, code)
    connection.close()
    said = "".join(content["text"] for kind, content in messages if kind == "stream")
    assert "installed: nothing was missing" in said and "20 streams are SIMULATED" in said
    assert sum("image/png" in content.get("data", {}) for _, content in messages) >= 3
    assert json.loads((tmp_path / "results" / "01_collect.json").read_text())["headline"]["streams"] == 20

    lab.ask("DELETE", f"/api/sessions/{session['id']}")
    assert lab.ask("GET", "/api/kernels") == []
