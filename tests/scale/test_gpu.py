"""What `make bench-gpu` runs works, on a CPU in its smallest form."""

import importlib.util
import json
import subprocess
import sys

import pytest

from tests.places import ROOT


@pytest.mark.real
@pytest.mark.timeout(1200)
@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray comes with `make setup EXTRAS=cluster`"
)
def test_the_script_for_a_gpu_runs_to_its_end_on_a_cpu():
    script = ROOT / "tests" / "benchmarks" / "gpu.py"
    done = subprocess.run([sys.executable, script, "--smallest"], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result["seconds"]) == {"simulate", "bench_encode.py", "bench_pretrain.py", "scale encode"}
    assert result["scale encode, messages/s"] > 0
