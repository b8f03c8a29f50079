"""Time and memory of the whole lab, as whole processes.

    python benchmarks/whole_lab.py [the imbalance-tf of an earlier version]

Runs ``imbalance-tf run`` in a new folder, which stays, and adds up, every two seconds, the
proportional set size of it and all its children (Linux: memory that is shared is counted once).
Prints both figures and writes them, as "before" if they are an earlier version's, under the
precision that the processor trains in, to ``benchmarks/whole_lab.json``. Five to ten minutes;
an earlier version, such as commit f670c94, takes up to half an hour.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import psutil  # comes with ipykernel

from imbalance_tf.lab.profiles import fastest_precision

HERE = Path(sys.executable).with_name("imbalance-tf")


def memory(process: psutil.Process) -> int:
    """Bytes of a process and its children."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # it has just ended
            continue
    return total


def main():
    command = sys.argv[1] if len(sys.argv) > 1 else str(HERE)
    folder = tempfile.mkdtemp()
    print(f"running in {folder}")
    with open(Path(folder) / "log", "w") as log:
        started, peak = time.perf_counter(), 0
        process = psutil.Popen([command, "run"], cwd=folder, stdout=log, stderr=log)
        while process.poll() is None:
            peak = max(peak, memory(process))
            time.sleep(2)  # to look is work too
        row = {"minutes": (time.perf_counter() - started) / 60, "GiB at most": peak / 2**30}
    if process.returncode:
        sys.exit((Path(folder) / "log").read_text())
    for name, value in row.items():
        print(f"{name:12} {value:.2f}")
    results = Path(__file__).with_suffix(".json")
    kept = json.loads(results.read_text()) if results.exists() else {}
    kept.setdefault(fastest_precision(), {})["before" if len(sys.argv) > 1 else "now"] = row
    results.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
