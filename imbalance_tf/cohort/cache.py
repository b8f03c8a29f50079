"""A cohort is read once: its arrays are kept on disk, and mapped into memory from then on."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .assembling import ARRAYS
from .disk import alone, made_folder, remove_own
from .labels import LabelScheme
from .reading import VERSION
from .slices import Cohort

__all__ = ["cached"]

CONTENTS = "cohort.json"
_OWN = (CONTENTS, "*.npy")


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
    with _locked(cache, name):
        if cohort := _read(place, identity):  # another process has built it meanwhile
            return cohort
        partial = cache / f".{name}.partial"
        remove_own(partial, _OWN)
        partial.mkdir()
        try:
            _write_contents(partial, identity, build(partial))
        except BaseException:
            remove_own(partial, _OWN)
            raise
        remove_own(place, _OWN)
        os.replace(partial, place)
    if cohort := _read(place, identity):
        return cohort
    raise OSError(f"{place} was written, but does not read back; is the disk failing?")


@contextlib.contextmanager
def _locked(cache: Path, name: str):
    """One process at a time; leaves no trace, not even the lock, of a cohort that is refused."""
    with contextlib.ExitStack() as stack:
        try:
            for attempt in range(20, -1, -1):
                stack.enter_context(made_folder(cache))
                try:
                    stack.enter_context(alone(cache / f".{name}.lock"))
                    break
                except FileNotFoundError:  # another process, refused, has just removed the folder
                    if not attempt:
                        raise
        except OSError as error:
            raise OSError(
                f"the cache {cache} cannot be written ({error}); choose another folder: cache=... "
                f"(command line: --out)"
            ) from error
        yield


def _write_contents(folder: Path, identity: dict, cohort: Cohort) -> None:
    scheme = cohort.scheme
    contents = {
        "identity": identity,
        "digests": {name: _digest(folder / f"{name}.npy") for name in ARRAYS},
        "read": list(cohort.digests),
        "synthetic": cohort.synthetic.tolist(),
        "case_ids": list(cohort.case_ids),
        "slice_case": cohort.slice_case.tolist(),
        "modalities": list(cohort.modalities),
        "affines": cohort.affines.tolist(),
        "origins": cohort.origins.tolist(),
        "scan_shapes": cohort.scan_shapes.tolist(),
        "left_out": dict(cohort.left_out),
        "scheme": [scheme.name, scheme.classes, scheme.values, dict(scheme.regions)],
    }
    # It vouches for itself, and by its digests for the arrays.
    kept = {"digest": _digest_of(contents), "contents": contents}
    (folder / CONTENTS).write_text(json.dumps(kept))


def _read(folder: Path, identity: dict) -> Cohort | None:
    """The cohort in a folder; None if it is not there, not this one, or not as it was written."""
    try:
        kept = json.loads((folder / CONTENTS).read_text())
        contents = kept["contents"]
        if _digest_of(contents) != kept["digest"]:
            return None
        digests, read = contents.pop("digests"), contents.pop("read")
        if contents.pop("identity") != identity or any(
            _digest(folder / f"{name}.npy") != digests[name] for name in ARRAYS
        ):
            return None
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ARRAYS
        }
        for name in ("slice_case", "affines", "origins", "scan_shapes"):
            contents[name] = np.array(contents[name])
        cohort = Cohort(**arrays, **contents | {"scheme": LabelScheme(*contents["scheme"])})
        return cohort.as_read(read)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _digest_of(contents: dict) -> str:
    return hashlib.blake2b(json.dumps(contents).encode(), digest_size=16).hexdigest()


def _digest(path: Path) -> str:
    # Read, not mapped: the pages of a mapping would count as memory of this process.
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
