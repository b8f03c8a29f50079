"""What a class gets: notebooks to work in, and results that they read where they would train."""

import bz2
import gzip
import hashlib
import json
import shlex
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from inspect import signature
from pathlib import Path

import nbformat
from tqdm import tqdm

from imbalance_tf.cohort.disk import refuse_unwritable, room_for, whole_folder
from imbalance_tf.cohort.errors import CohortError
from imbalance_tf.training.arms import PAPER_ARMS
from imbalance_tf.training.folder import complete, refusing
from imbalance_tf.training.result import ExperimentResult
from imbalance_tf.training.study_table import read_study

from .exercises import built
from .notebooks import ON_THE_PAPER, notebook_paths
from .settings import SETTINGS
from .workspace import open_lab

__all__ = ["write_handout"]

README = """\
Install Python 3.11, 3.12 or 3.13, and imbalance-tf {version} from where your teacher says; then, in
this folder:

    imbalance-tf setup-check
    jupyter lab

and open {first}. Every notebook reads its results from the folder results beside it, so leave it
here; nothing is trained until you change something. The first notebook that is opened reads the
scans once into a store, results/*/cache, of 250 to 500 MB. nibabel reads the scans as they are,
.nii.bz2; for a viewer, unpack them with bunzip2.

To check the copy before you begin: sha256sum --check --quiet SHA256SUMS
"""
KEPT = signature(open_lab).parameters.keys() - {"out"}  # of lab.json
DEFAULTS = {"profile": "lab", "seed": 0, "own_data": {}}  # of the notebooks' parameters


def write_handout(target: Path, out: Path) -> list[Path]:
    """Write what a class gets of a finished lab into a new folder, or a new file ``.zip``.

    The notebooks that were executed there, to work in; the runs on its splits; the embedded cohorts
    of these, since one that is made on another processor differs in its last bits; ``SHA256SUMS``.

    Returns
    -------
    list of Path
        The notebooks that are in it.

    Raises
    ------
    FileExistsError
        If there is something at `target`.
    FileNotFoundError
        If the lab is not finished, with all that is missing; or if a run is not whole.
    ValueError
        If the lab is of a folder of one's own, whose scans are not ours to hand out.
    """
    if target.exists() or target.is_symlink():
        raise FileExistsError(f"{target} exists; choose another name, or move it away")
    refuse_unwritable(target.parent, "choose another for the hand-out")
    paths, settings = _executed(out)
    contents = {**_notebooks(paths, settings), **_results(out, settings)}
    text = README.format(version=version("imbalance_tf"), first=paths[0].name)
    contents["README.txt"] = text.encode()
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    contents["SHA256SUMS"] = "".join(f"{sums[name]}  {name}\n" for name in sums).encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    with room_for(target.parent, target.name, sum(map(len, contents.values()))):
        _write(target, contents)
    return paths


def _executed(out: Path) -> tuple[list[Path], dict]:
    """The notebooks that were executed as they are today, and the settings of the lab."""
    command = f"imbalance-tf run --out {shlex.quote(str(out))}"
    with refusing(FileNotFoundError, f"{out} is no lab", f"make one: {command}"):
        settings = json.loads((out / SETTINGS).read_text())
        if settings.keys() != KEPT:
            raise ValueError(f"{SETTINGS} has {sorted(settings)}; {sorted(KEPT)} are expected")
    if settings["data"]:
        raise ValueError(
            f"{out} holds results on {settings['data']}, whose scans are not ours to hand out; "
            f"name a lab on the embedded cohort: --from"
        )
    done = {path: out / "notebooks" / path.name for path in notebook_paths()}
    asked = [path for n, path in enumerate(done) if n < ON_THE_PAPER or done[path].exists()]
    lab = open_lab(**settings, out=out)
    missing = [f"{path.stem} {why}" for path in asked if (why := _problem(path, done[path]))]
    for arm in PAPER_ARMS:
        if not (folder := lab.run_folder(arm)).exists():
            missing.append(f"the run of '{arm}' is not there ({folder.relative_to(out)})")
    if missing:
        kept = ("profile", "seed", "test_cases")  # all that counts on the embedded cohort
        given = [f"--{key.replace('_', '-')} {settings[key]}" for key in kept]
        numbers = [str(int(path.stem[:2])) for path in asked]
        raise FileNotFoundError(
            f"the lab {out} is not finished: {'; '.join(missing)}. Finish it: "
            f"{' '.join([command, *given, *numbers])}"
        )
    return asked, settings


def _problem(path: Path, executed: Path) -> str:
    """Why an executed notebook does not show that all its runs are there; empty if it does."""
    if not executed.exists():
        return "was not executed"
    try:
        found = nbformat.read(executed, as_version=4)
    except ValueError:
        return "is damaged"
    if found.metadata.get("papermill", {}).get("exception") is not None:
        return "failed"
    code = [cell for cell in found.cells if cell.cell_type == "code" and cell.source.strip()]
    if any(cell.execution_count is None for cell in code):
        return "was interrupted"
    now, then = (
        [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        for notebook in (built(path, "solutions"), found)
    )
    # Papermill has put a cell with the parameters in.
    return "" if [text for text in then if text in now] == now else "is of another version"


def _notebooks(paths: list[Path], settings: dict) -> dict[str, bytes]:
    """The student's; where the lab has other parameters, in a cell of their own, as papermill."""
    own = {"test_cases": settings["test_cases"]} if settings["test_cases"] else {}
    asked = {name: {**settings, "own_data": own}[name] for name in DEFAULTS}
    asked = {name: value for name, value in asked.items() if value != DEFAULTS[name]}
    lines = "\n".join(f"{name} = {value!r}" for name, value in asked.items())
    cell = nbformat.v4.new_code_cell(lines, id="lab", metadata={"tags": ["injected-parameters"]})
    contents = {}
    for path in paths:
        notebook = built(path, "student")
        tags = [each.metadata.get("tags", []) for each in notebook.cells]
        if asked:
            notebook.cells.insert(tags.index(["parameters"]) + 1, cell)
        contents[path.name] = f"{nbformat.writes(notebook)}\n".encode()
    return contents


def _results(out: Path, settings: dict) -> dict[str, bytes]:
    """The runs on the splits of the lab's cohorts, and the cohorts that have any."""
    files, scans = [out / SETTINGS], []
    asked = {"profile": settings["profile"], "seed": settings["seed"]}
    trained = {}
    for path in sorted(out.glob("runs/[!.]*/config.json")):
        with complete(path.parent):
            trained[path.parent] = json.loads(path.read_text())["train"]["fingerprint"]
    for cohort in sorted(path.parent for path in out.glob("[!.]*/cohort.json")):
        counts = {0, settings["test_cases"]}
        try:
            labs = [open_lab(**asked, data=cohort, out=out, test_cases=count) for count in counts]
        except CohortError:  # of a study that was stopped; the lab's own was opened before
            continue
        used = [run for run in trained if trained[run] in {lab.train.fingerprint for lab in labs}]
        for scores in (path.parent for run in used for path in run.glob("[!.]*/config.json")):
            ExperimentResult.read(scores)  # refuses what is not whole
        for folder in [cohort, *used] if used else []:
            found = sorted(path for path in folder.rglob("[!.]*") if path.is_file())
            files += [path for path in found if folder != cohort or path.suffix != ".gz"]
            scans += [path for path in found if folder == cohort and path.suffix == ".gz"]
    for path in sorted(out.glob("studies/[!.]*.csv")):
        if not any(Path(word).is_absolute() for word in read_study(path)[1]["command"].split()):
            files.append(path)  # else it is about a folder of the teacher
    contents = {path: path.read_bytes() for path in files}
    with ThreadPoolExecutor(2) as pool:
        packed = tqdm(pool.map(_packed, scans), "packing scans", len(scans), disable=None)
        contents |= {
            path.with_suffix(".bz2"): each for path, each in zip(scans, packed, strict=True)
        }
    place = Path("results") / settings["profile"]
    return {(place / path.relative_to(out)).as_posix(): contents[path] for path in contents}


def _packed(path: Path) -> bytes:
    """A scan without gzip, by bzip2: smaller by a third, and the same voxels to the store."""
    return bz2.compress(gzip.decompress(path.read_bytes()))


def _write(target: Path, contents: dict[str, bytes]) -> None:
    """Whole or not at all; equal contents are equal files."""
    if target.suffix != ".zip":
        with whole_folder(target, ("*.ipynb", "*.txt", "results", "SHA256SUMS")) as folder:
            for name, content in contents.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
        return
    partial = target.with_name(f".{target.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w") as archive:
            for name, content in contents.items():
                entry = zipfile.ZipInfo(f"{target.stem}/{name}")  # without the time of day
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
