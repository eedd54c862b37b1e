"""A stand-in for a Colab runtime: its packages in an environment, and the project's home as a local clone."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]


def write_home(tree, *, more_requirements=""):
    """Make `tree` a git repository of what the notebooks need of the working tree."""
    for name in ("chatlib", "notebooks", "data/sample"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    wanted = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (tree / "requirements.txt").write_text(wanted + more_requirements, encoding="utf-8")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(tree)]
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *step], check=True)


def redirect_home(url, tree):
    """Return the environment in which git takes `tree` for the repository at `url`."""
    place = f"url.file://{tree}.insteadOf"
    return os.environ | {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": place, "GIT_CONFIG_VALUE_0": url}


def write_package(site):
    """Write a `google.colab` that can be imported, beside what else is in `google`."""
    (site / "google" / "colab").mkdir(parents=True)
    (site / "google" / "colab" / "__init__.py").write_text("")


def find_python(version):
    """Return an interpreter of this version, or None."""
    return next(
        (str(path) for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))),
        shutil.which(f"python{version}"),
    )


@dataclass(frozen=True)
class Runtime:
    """An environment with Colab's packages, an empty folder to work in, and the home's environment."""

    folder: Path
    environment: dict

    @property
    def python(self):
        return self.folder / "venv" / "bin" / "python"

    @property
    def content(self):
        return self.folder / "content"

    def freeze(self):
        """Return {package: version} of what is installed."""
        done = subprocess.run(
            [self.python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True
        )
        return {
            package["name"].lower().replace("_", "-"): package["version"]
            for package in json.loads(done.stdout)
        }

    def run(self, notebook):
        """Run a notebook from its first cell, as it was opened; return it with its outputs."""
        opened = nbformat.read(ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4)
        resources = {"metadata": {"path": str(self.content)}}
        before = dict(os.environ)
        os.environ.update(self.environment | {"JUPYTER_PATH": str(self.folder / "jupyter")})
        try:
            return NotebookClient(opened, kernel_name="colab", timeout=600, resources=resources).execute()
        finally:
            os.environ.clear()
            os.environ.update(before)


def make_runtime(folder, python, packages, environment):
    """Make a Runtime: minutes, and some hundred megabytes."""
    runtime = Runtime(folder, environment)
    runtime.content.mkdir()
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    install = [runtime.python, "-m", "pip", "install", "-q", "-r", packages]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    site = next((folder / "venv" / "lib").glob("python3*/site-packages"))
    write_package(site)
    (site / "colab_kernel.pth").write_text("import google.colab\n")  # Colab's kernel has loaded it
    torch = site / "torch-2.6.0.dist-info"  # gigabytes, and neither 01 nor 05 needs it
    torch.mkdir()
    (torch / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.6.0\n")
    kernel = folder / "jupyter" / "kernels" / "colab"
    kernel.mkdir(parents=True)
    command = [str(runtime.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    told = {"argv": command, "display_name": "Colab", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(told))
    return runtime
