"""`make lab`: JupyterLab starts, shows the notebooks, and goes away."""

import os
import secrets
import shlex
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
import requests

from tests.places import ROOT
from tests.waiting import find_port, wait_until


def read_command(arguments):
    """Return the command of `make lab`, run by the Python that runs this."""
    target = ["make", "--no-print-directory", "-n", "-o", ".venv/ready", "lab", f"ARGS={arguments}"]
    said = subprocess.run(target, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    python, *rest = shlex.split(said.splitlines()[-1])
    assert python == ".venv/bin/python"
    return [sys.executable, *rest]


def ask(port, token, path):
    """Ask the server's REST API as JupyterLab asks it."""
    head = {"Authorization": f"token {token}"}
    answer = requests.get(f"http://127.0.0.1:{port}{path}", headers=head, timeout=60)
    answer.raise_for_status()
    return answer


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

    def is_up():
        assert server.poll() is None, (tmp_path / "log").read_text()
        with suppress(requests.ConnectionError):
            return ask(port, token, "/api/status")

    try:
        wait_until(is_up)
        yield port, token
        server.send_signal(signal.SIGTERM)
        assert server.wait(300) == 0
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def test_it_starts_shows_the_notebooks_to_who_has_the_token_and_goes_away(lab):
    port, token = lab
    assert "<title>JupyterLab</title>" in ask(port, token, "/lab").text
    served = {item["name"] for item in ask(port, token, "/api/contents/").json()["content"]}
    assert {"01_collect.ipynb", "05_analyze.ipynb"} <= served
    with pytest.raises(requests.HTTPError, match="403"):
        ask(port, "wrong", "/api/contents/")
