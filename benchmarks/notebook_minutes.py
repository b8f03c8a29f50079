"""How long a machine takes for each notebook of a finished lab, as papermill has noted it.

    imbalance-tf run --all --out results/fresh       # on an idle machine, into a new folder
    python benchmarks/notebook_minutes.py results/fresh

Writes notebook_minutes.json beside this file. A notebook that only read its runs is quicker: its
row says how many it has trained.
"""

import json
import os
import sys
from pathlib import Path

import nbformat

from imbalance_tf.lab.profiles import fastest_precision


def row(path: Path) -> dict:
    notebook = nbformat.read(path, as_version=4)
    about = notebook.metadata.papermill
    if about.exception is not None:
        raise SystemExit(f"{path} failed; run it again: imbalance-tf run")
    printed = "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    seconds = round(about.duration)
    return {"seconds": seconds, "trained": printed.count("Epoch 1/"), "begun": about.start_time}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    rows = {
        path.stem: row(path) for path in sorted(Path(sys.argv[1]).glob("notebooks/[01]*.ipynb"))
    }
    machine = f"{os.cpu_count()} cores, {fastest_precision()}"
    result = {"machine": machine, "notebooks": rows}
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
