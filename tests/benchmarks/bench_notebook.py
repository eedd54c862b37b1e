"""What each cell of notebook 04 costs on a run: seconds of CPU, and the peak of memory while it ran (Linux).

    python tests/benchmarks/bench_notebook.py RUN [--without-encoding]

Without encoding, message vectors are drawn by lot, and no true probabilities are read. Models and results go
into the run. A channel of 3 million messages: `chatlib simulate --streams 392 --viewers 296 --messages 7653`.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


class DrawnVectors:
    """An encoder whose vectors are drawn by lot."""

    dim = 128

    def encode(self, texts: list[str]) -> np.ndarray:
        """Return one vector per text."""
        return np.random.default_rng(0).standard_normal((len(texts), self.dim), np.float32)


def read_peak_mb() -> float:
    """Return the peak of this process's memory since the last call, in MB."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


def main() -> None:
    """Run the cells one by one, and print what each costs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--without-encoding", action="store_true")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    cells = json.loads((ROOT / "notebooks" / "04_predict.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    start, total, peak = time.monotonic(), 0.0, read_peak_mb()
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            began = time.process_time()
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
            names["RUN_DIR"] = str(args.run)
            if args.without_encoding:
                names |= {"load_encoder": lambda _: DrawnVectors(), "TRUTH": "none"}
            spent, mb = time.process_time() - began, read_peak_mb()
            total, peak = total + spent, max(peak, mb)
            print(f"{number:>4} {spent:8.1f} s {mb:8,.0f} MB  {cell['source'][0].strip()[:60]}", flush=True)
    print(f" all {total:8.1f} s {peak:8,.0f} MB  ({time.monotonic() - start:.0f} s of wall time)")


if __name__ == "__main__":
    main()
