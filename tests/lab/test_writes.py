"""Whatever is written where it is read appears whole: every file that is opened to write."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, os, sys
out, cases = sys.argv[1:]
opened, renamed = [], []

def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, str) and flags & (os.O_WRONLY | os.O_RDWR):
            opened.append(os.path.abspath(path))
    elif event == "os.rename":
        renamed.append(os.path.abspath(arguments[1]))

sys.addaudithook(watch)
from imbalance_tf import open_lab
from imbalance_tf.lab.cli import main

open_lab("smoke", out=os.path.join(out, "embedded"))
lab = open_lab("smoke", data=cases, out=os.path.join(out, "data"))
for strategy in ("random", "balanced", "hard"):
    lab.run(strategy)  # here, where it is watched, and not in a kernel
arguments = ["run", "--profile", "smoke", "--data", cases, "--out", os.path.join(out, "data")]
main(arguments, standalone_mode=False)
main(["notebooks", os.path.join(out, "course")], standalone_mode=False)
json.dump([opened, renamed], sys.stdout)
"""


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.slow
def test_every_file_is_written_under_another_name_first(tmp_path, case_folder, fresh_environment):
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(out), str(case_folder)],
        capture_output=True,
        text=True,
        env=fresh_environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    opened, renamed = json.loads(done.stdout.splitlines()[-1])
    files = (path for path in opened if path.startswith(f"{out}/") and not os.path.isdir(path))
    mine = [path.removeprefix(f"{out}/") for path in files]
    assert len(mine) > 50
    in_place = [path for path in mine if not any(part.startswith(".") for part in path.split("/"))]
    assert not in_place
    names = {path.split("/")[-1] for path in renamed}
    assert {"lab.json", "history.csv", "model.keras", "dice_comparison.csv"} <= names
    assert {"01_data_exploration.ipynb", "05_dice_comparison.html"} <= names
