"""How much faster is a cohort that has been read before, and what does it cost?

    python benchmarks/cohort_cache.py [--cases 20] [--slice-thickness 3] [--copies 1]

Writes an embedded cohort to a temporary folder (with hard links to its files, `--copies` times as
many cases), loads it twice through one cache, each time in a process of its own, and prints
seconds, peak resident memory and the cache's size on disk. Written to
``benchmarks/cohort_cache.json`` too, under the number of cases and the slice thickness.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

WRITE = """
import sys
from imbalance_tf import write_phantom_cohort
write_phantom_cohort(sys.argv[1], cases=int(sys.argv[2]), slice_thickness=int(sys.argv[3]))
"""
LOAD = """
import resource, sys, time
from imbalance_tf import load_cohort
started = time.perf_counter()
load_cohort(sys.argv[1], cache=sys.argv[2])
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def load(folder: Path, cache: Path) -> tuple[float, float]:
    """Seconds and peak MiB of one load in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, folder, cache], stdout=subprocess.PIPE, text=True, check=True
    )
    seconds, peak = done.stdout.split()
    return float(seconds), float(peak)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--slice-thickness", type=int, default=3)
    parser.add_argument("--copies", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        written, folder, cache = (Path(place) / name for name in ("written", "cases", "cache"))
        # In a process of its own: the peak of a process counts for those that it starts.
        arguments = [written, str(asked.cases), str(asked.slice_thickness)]
        subprocess.run([sys.executable, "-c", WRITE, *arguments], check=True)
        for copy in range(asked.copies):
            for file in written.glob("*/*.nii.gz"):
                target = folder / f"{copy}_{file.parent.name}" / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, target)
        first, first_peak = load(folder, cache)
        second, second_peak = load(folder, cache)
        size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    row = {
        "first load, s": first,
        "second load, s": second,
        "times faster": first / second,
        "first load, peak MiB": first_peak,
        "second load, peak MiB": second_peak,
        "cache on disk, MiB": size / 2**20,
    }
    cases = f"{asked.cases * asked.copies} cases, slices of {asked.slice_thickness} mm"
    print(cases)
    for name, value in row.items():
        print(f"{name:24} {value:.4g}")
    results = Path(__file__).with_suffix(".json")
    kept = json.loads(results.read_text()) if results.exists() else {}
    results.write_text(json.dumps({**kept, cases: row}, indent=2) + "\n")


if __name__ == "__main__":
    main()
