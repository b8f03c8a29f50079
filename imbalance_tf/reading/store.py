"""Store: a case is read once, and mapped into memory from then on."""

import contextlib
import hashlib
import json
import mmap
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np

from imbalance_tf.cohort.case import Case
from imbalance_tf.cohort.disk import alone, made_folder, remove_own, write_whole
from imbalance_tf.cohort.labels import LabelScheme
from imbalance_tf.cohort.runs import Runs

from .finding import CaseFiles
from .scan import VERSION, CaseArrays

__all__ = ["Store", "allow_open_files"]

CONTENTS, ARRAYS = "case.json", "arrays.bin"
_OWN = (CONTENTS, ARRAYS, "labels-*.bin", "labels-*.json", ".*.partial")
_ALIGNMENT = 64


class Store:
    """A folder with one entry a case, for any number of cohorts.

    An entry is found by the case's files (path, size, times) and what they are read as. Its arrays
    are mapped into memory: their pages are the operating system's, not the process's.

    What is checked when: at every opening, that the entry describes itself without contradiction,
    and that its files have the size and the time of when they were written. Only if a time is
    another (a copy of the folder, or somebody's touch), their whole content is held against its
    digest, and the new time noted. An entry that fails is read anew from the scans. What changes
    bits without changing a time, a failing disk, is not noticed.

    Parameters
    ----------
    folder : Path, optional
        Made when the first case is put in. Without it, the arrays stay in memory.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One process at a time puts cases in."""
        if self.folder is None:
            yield
            return
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(made_folder(self.folder))
                stack.enter_context(alone(self.folder / ".reading.lock"))
            except OSError as error:
                raise OSError(
                    f"the cache {self.folder} cannot be written ({error}); choose another folder: "
                    f"cache=... (command line: --out)"
                ) from error
            for begun in self.folder.glob(".*.partial"):  # by a process that was killed
                remove_own(begun, _OWN)
            yield

    def get(self, files: CaseFiles) -> CaseArrays | None:
        """The arrays of a case; None if they are not there, or not as they were written."""
        if self.folder is None:
            return None
        entry = self._entry(files)
        try:
            kept = json.loads((entry / CONTENTS).read_text())
            contents = kept["contents"]
            # It vouches for itself, and for whose it is.
            if _digest_of(contents) != kept["digest"] or contents.pop("entry") != entry.name:
                return None
            if not _is_sealed(entry / ARRAYS):
                return None
            layout = contents.pop("arrays")
            arrays = dict(zip(layout, _mapped(entry / ARRAYS, layout.values()), strict=True))
            runs = contents.pop("runs")
            runs = Runs(
                **{name: np.array(value, np.int64) for name, value in runs.items()},
                **{name: arrays.pop(name) for name in ("starts", "lengths")},
            )
            contents |= {name: tuple(contents[name]) for name in ("origin", "scan_shape", "notes")}
            contents["affine"] = np.array(contents["affine"], float)
            return CaseArrays(**arrays, runs=runs, **contents)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def put(self, files: CaseFiles, read: CaseArrays) -> CaseArrays:
        """Keep the arrays of a case, and give them back mapped."""
        if self.folder is None:
            return read
        entry = self._entry(files)
        partial = Path(tempfile.mkdtemp(".partial", f".{entry.name[:40]}-", self.folder))
        try:
            arrays = {
                name: getattr(read if hasattr(read, name) else read.runs, name)
                for name in ("images", "values", "brain", "starts", "lengths")
            }
            contents = {
                "entry": entry.name,
                "arrays": _written(partial / ARRAYS, arrays),
                "runs": {
                    name: getattr(read.runs, name).tolist()
                    for name in ("classes", "voxels", "bounds")
                },
            }
            others = {each.name for each in fields(read)} - set(arrays) - {"runs"}
            contents |= {name: getattr(read, name) for name in others}
            contents["affine"] = read.affine.tolist()
            contents = json.loads(json.dumps(contents))
            kept = {"digest": _digest_of(contents), "contents": contents}
            (partial / CONTENTS).write_text(json.dumps(kept))
            _seal(partial / ARRAYS)
            remove_own(entry, _OWN)
            partial.rename(entry)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)  # made here, just now
            raise
        kept = self.get(files)
        if kept is None:
            raise OSError(f"{entry} was written, but does not read back; is the disk failing?")
        return kept

    def case(self, files: CaseFiles, read: CaseArrays, scheme: LabelScheme) -> Case:
        """The case, with its labels as the class numbers of a scheme."""
        lookup = np.zeros(256, np.uint8)
        lookup[list(scheme.values)] = np.arange(len(scheme.values))
        same = (lookup[read.runs.classes] == read.runs.classes).all()
        labels = read.values if same else self._labels(files, read, scheme, lookup)
        return Case(
            id=files.case_id,
            images=read.images,
            labels=labels,
            brain=read.brain,
            affine=read.affine,
            origin=read.origin,
            scan_shape=read.scan_shape,
            synthetic=read.synthetic,
        ).as_read(read.digest, read.runs.renamed(lookup))

    def _labels(self, files, read: CaseArrays, scheme: LabelScheme, lookup) -> np.ndarray:
        """Class numbers where the file has other values: written beside them, once."""
        if self.folder is None:
            return lookup[read.values]
        name = "-".join(map(str, scheme.values))
        path = self._entry(files) / f"labels-{name}.bin"
        layout = [[read.values.dtype.str, read.values.shape, 0]]
        try:
            if not _is_sealed(path):
                write_whole(path, lookup[read.values].tobytes())
                _seal(path)
            return _mapped(path, layout)[0]
        except OSError:  # a read-only share that was never used with this scheme
            return lookup[read.values]

    def _entry(self, files: CaseFiles) -> Path:
        digest = _digest_of(_identity(files))
        return self.folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', files.case_id)[:60]}-{digest}"


def _identity(files: CaseFiles) -> dict:
    """What an entry is found by, as JSON."""
    seen = {}
    for path in files.paths:
        status = path.stat()
        # ctime changes whenever the content does, even if a copy brought its old mtime along.
        times = [status.st_mtime_ns, status.st_ctime_ns]
        seen[str(path.resolve())] = [status.st_size, *times]
    roles = {role: str(path) for role, path in files.images.items()}
    roles |= {"labels": str(files.labels), "brain": str(files.brain)}
    return {"seen": seen, "roles": roles, "channels": list(files.channels), "version": VERSION}


def _written(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, list]:
    """Write arrays one after the other; dtype, shape and offset of each."""
    layout = {}
    with path.open("wb") as file:
        for name, array in arrays.items():
            file.write(b"\0" * (-file.tell() % _ALIGNMENT))
            layout[name] = [array.dtype.str, list(array.shape), file.tell()]
            file.write(np.ascontiguousarray(array).data)
    return layout


def _mapped(path: Path, layout) -> list[np.ndarray]:
    """The arrays of a file, mapped into memory, read-only."""
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return [
        np.frombuffer(mapping, dtype, count=int(np.prod(shape)), offset=offset).reshape(shape)
        for dtype, shape, offset in layout
    ]


def _seal(path: Path, digest: str | None = None) -> None:
    """Note size, time and digest of a file, so that it can be told whether it has changed."""
    status = path.stat()
    sealed = [status.st_size, status.st_mtime_ns, digest or _digest(path)]
    write_whole(path.with_suffix(".json"), json.dumps(sealed))


def _is_sealed(path: Path) -> bool:
    """Whether a file is as it was when it was sealed."""
    try:
        size, time, digest = json.loads(path.with_suffix(".json").read_text())
        status = path.stat()
    except (OSError, ValueError, TypeError):
        return False
    if status.st_size != size or (status.st_mtime_ns != time and _digest(path) != digest):
        return False
    if status.st_mtime_ns != time:
        with contextlib.suppress(OSError):  # a read-only share: checked each time
            _seal(path, digest)
    return True


def _digest_of(contents: dict) -> str:
    return hashlib.blake2b(json.dumps(contents).encode(), digest_size=16).hexdigest()


def _digest(path: Path) -> str:
    # Read, not mapped: the pages of a mapping would count as memory of this process.
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def allow_open_files(count: int) -> None:
    """Every mapped case holds a file open; let the process have as many as the system allows."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    asked = 2 * count + 512
    if soft != resource.RLIM_INFINITY and soft < asked:
        limit = asked if hard == resource.RLIM_INFINITY else min(asked, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
