"""A cohort is read once: its arrays are kept on disk, and mapped into memory from then on."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock

from .assembling import ARRAYS
from .labels import LabelScheme
from .slices import Cohort

__all__ = ["cached"]

VERSION = 1
"""Raised whenever the same files give other arrays."""
CONTENTS = "cohort.json"


def cached(cache: Path, name: str, identity: dict, build: Callable[[Path], Cohort]) -> Cohort:
    """The cohort that is kept under a name; built if it is not there, other, or damaged.

    Parameters
    ----------
    cache : Path
        The folder for all that is kept; made if missing.
    name : str
        What was asked for, as a file name.
    identity : dict
        What the cohort depends on, as JSON: other files or options, another identity.
    build : callable
        Makes the cohort, with its arrays in the empty folder that it is given.
    """
    place, identity = cache / name, json.loads(json.dumps({**identity, "version": VERSION}))
    # What is whole is read without a lock, so from a read-only share too.
    if cohort := _read(place, identity):
        return cohort
    made = [folder for folder in (cache, *cache.parents) if not folder.exists()]
    cache.mkdir(parents=True, exist_ok=True)
    lock = FileLock(cache / f".{name}.lock")
    with lock:
        if cohort := _read(place, identity):  # another process has built it meanwhile
            return cohort
        partial = cache / f".{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            _write_contents(partial, identity, build(partial))
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            _leave_no_trace(Path(lock.lock_file), made)
            raise
        shutil.rmtree(place, ignore_errors=True)
        os.replace(partial, place)
    if cohort := _read(place, identity):
        return cohort
    raise OSError(f"{place} was written, but does not read back; is the disk failing?")


def _leave_no_trace(lock: Path, made: list[Path]) -> None:
    """Remove what a cohort that could not be read has left: the lock, and empty folders."""
    lock.unlink(missing_ok=True)
    for folder in made:
        with contextlib.suppress(OSError):  # another process works there
            folder.rmdir()


def _write_contents(folder: Path, identity: dict, cohort: Cohort) -> None:
    scheme = cohort.scheme
    contents = {
        "identity": identity,
        "digests": {name: _digest(folder / f"{name}.npy") for name in ARRAYS},
        "case_ids": list(cohort.case_ids),
        "slice_case": cohort.slice_case.tolist(),
        "modalities": list(cohort.modalities),
        "affines": cohort.affines.tolist(),
        "origins": cohort.origins.tolist(),
        "scan_shapes": cohort.scan_shapes.tolist(),
        "left_out": dict(cohort.left_out),
        "scheme": [scheme.name, scheme.classes, scheme.values, dict(scheme.regions)],
    }
    (folder / CONTENTS).write_text(json.dumps(contents))


def _read(folder: Path, identity: dict) -> Cohort | None:
    """The cohort in a folder; None if it is not there, not this one, or not as it was written."""
    try:
        contents = json.loads((folder / CONTENTS).read_text())
        if contents.pop("identity") != identity:
            return None
        for name, digest in contents.pop("digests").items():
            if _digest(folder / f"{name}.npy") != digest:
                return None
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ARRAYS
        }
        for name in ("slice_case", "affines", "origins", "scan_shapes"):
            contents[name] = np.array(contents[name])
        return Cohort(**arrays, **contents | {"scheme": LabelScheme(*contents["scheme"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _digest(path: Path) -> str:
    # Read, not mapped: the pages of a mapping would count as memory of this process.
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
