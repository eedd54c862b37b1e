"""`make lab`: JupyterLab starts, shows the notebooks, and goes away."""

import os
import secrets
import shlex
import signal
import subprocess
import sys
import time

import pytest
import requests

from tests.places import ROOT
from tests.waiting import find_port


def read_command(arguments):
    """Return the command of `make lab`, run by the Python that runs this."""
    target = ["make", "--no-print-directory", "-n", "-o", ".venv/ready", "lab", f"ARGS={arguments}"]
    said = subprocess.run(target, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    python, *rest = shlex.split(said.splitlines()[-1])
    assert python == ".venv/bin/python"
    return [sys.executable, *rest]


class Lab:
    """The server's REST API, asked as JupyterLab asks it."""

    def __init__(self, port, token):
        self.address = f"127.0.0.1:{port}"
        self.headers = {"Authorization": f"token {token}"}

    def ask(self, method, path, body=None):
        answer = requests.request(
            method, f"http://{self.address}{path}", headers=self.headers, json=body, timeout=60
        )
        answer.raise_for_status()
        return answer.json() if answer.content and "json" in answer.headers["Content-Type"] else answer.text


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
        assert server.wait(300) == 0
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
