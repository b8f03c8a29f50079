"""Store: a case is read once, and mapped into memory from then on."""

import contextlib
import errno
import hashlib
import itertools
import json
import mmap
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from imbalance_tf.cohort.case import Case
from imbalance_tf.cohort.disk import alone, digest, remove_own, room_for, whole_folder, write_whole
from imbalance_tf.cohort.labels import LabelScheme
from imbalance_tf.cohort.runs import Runs

from .finding import CaseFiles
from .headers import files_of
from .scan import VERSION, CaseArrays

CONTENTS, ARRAYS = "case.json", "arrays.bin"
_OWN = (CONTENTS, ARRAYS, "arrays.json", "labels-*", ".*.partial")
_ALIGNMENT = 64


@dataclass(frozen=True)
class Store:
    """A folder with one entry per case, for any number of cohorts.

    An entry is found by the files of the case (path, size, times) and how they are read; one of
    the same files as they were before is removed. Its arrays are mapped into memory: their pages
    belong to the operating system, not to the process.

    At every opening, the description of the entry is checked against its own digest, and the size
    and time of its files against those noted when they were written. Only if the time differs
    (the folder was copied, or the file touched) is the whole content checked against its digest,
    and the new time noted. An entry that fails is read again from the scans. Bits that change
    without the time, on a failing disk, are not noticed.

    Parameters
    ----------
    folder : Path, optional
        Made when the first case is put in. Without it, the arrays stay in memory.
    """

    folder: Path | None = None

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Let one process at a time put cases in."""
        if self.folder is None:
            yield
            return
        with contextlib.ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
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
        """The arrays of a case; None if they are not there, or not of the scans as they are now.

        OSError if the system allows the process no more open files.
        """
        if self.folder is None:
            return None
        entry = _entry(self.folder, files, seen_of(files))
        try:
            kept = json.loads((entry / CONTENTS).read_text())
            contents = kept["contents"]
            if _digest_of(contents) != kept["digest"] or contents.pop("entry") != entry.name:
                return None
            if not _is_sealed(entry / ARRAYS):
                return None
            layout = contents.pop("arrays")
            arrays = dict(zip(layout, _mapped(entry / ARRAYS, layout.values()), strict=True))
            runs = Runs(**{each.name: arrays.pop(each.name) for each in fields(Runs)})
            contents |= {name: tuple(contents[name]) for name in ("origin", "scan_shape", "notes")}
            return CaseArrays(**arrays, runs=runs, **contents)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            if getattr(error, "errno", None) == errno.EMFILE:
                raise OSError(
                    f"case {files.case_id}: the system allows this process no more open files, and "
                    f"a case of a cohort takes two; close other cohorts, or allow more (ulimit -n)"
                ) from error
            return None

    def put(self, files: CaseFiles, read: CaseArrays, seen: Mapping) -> CaseArrays:
        """Keep the arrays of a case, and return them mapped into memory.

        `seen` is what `seen_of` gave before they were read: if the files were replaced meanwhile,
        nothing is kept, and the case is read again the next time.
        """
        if self.folder is None or seen_of(files) != seen:
            return read
        entry = _entry(self.folder, files, seen)
        held = {**vars(read), **vars(read.runs)}
        del held["runs"]
        arrays = {name: value for name, value in held.items() if isinstance(value, np.ndarray)}
        contents = {name: value for name, value in held.items() if name not in arrays}
        size = sum(array.nbytes for array in arrays.values())
        # Written, not mapped: a full disk is an error of the write, where a mapping would be a
        # signal that ends the process.
        with (
            room_for(self.folder, f"case {files.case_id}", size),
            whole_folder(entry, _OWN) as partial,
        ):
            contents |= {"entry": entry.name, "arrays": _written(partial / ARRAYS, arrays)}
            kept = {"digest": _digest_of(contents), "contents": contents}
            (partial / CONTENTS).write_text(json.dumps(kept))
            _seal(partial / ARRAYS)
        for other in self.folder.glob(f"{entry.name[:-16]}{16 * '[0-9a-f]'}"):
            if other != entry:  # of the same files as they were before
                with contextlib.suppress(OSError):  # Windows keeps what is open
                    remove_own(other, _OWN)
        if mapped := self.get(files):
            return mapped
        raise OSError(f"{entry} was written, but does not read back; is the disk failing?")

    def case(self, files: CaseFiles, read: CaseArrays, scheme: LabelScheme) -> Case:
        """The case, with the class numbers of a scheme as its labels."""
        classes = scheme.lookup[read.runs.classes]
        same = np.array_equal(classes, read.runs.classes)
        return Case(
            id=files.case_id,
            images=read.images,
            labels=read.values if same else self._labels(files, read, scheme),
            brain=read.brain,
            affine=read.affine,
            origin=read.origin,
            scan_shape=read.scan_shape,
            synthetic=read.synthetic,
        ).as_read(read.digest, replace(read.runs, classes=classes))

    def _labels(self, files: CaseFiles, read: CaseArrays, scheme: LabelScheme) -> np.ndarray:
        """The class numbers, if they are not the values of the file: written beside them, once."""
        if self.folder is None:
            return scheme.lookup[read.values]
        name = "-".join(map(str, scheme.values))
        entry = _entry(self.folder, files, seen_of(files))
        # With the digest: the entry may by now be of scans that have replaced those that were read.
        path = entry / f"labels-{name}-{read.digest[:16]}.bin"
        if not _is_sealed(path):
            try:
                with alone(path.with_suffix(".lock")):
                    if not _is_sealed(path):
                        write_whole(path, scheme.lookup[read.values].tobytes())
                        _seal(path)
            except OSError as error:
                # A read-only folder; or none, on a system that does not make it for the lock.
                if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT):
                    raise
                return scheme.lookup[read.values]
        return _mapped(path, [(read.values.dtype.str, read.values.shape, 0)])[0]


def seen_of(files: CaseFiles) -> dict[str, list]:
    """Size and times of the files of a case; empty if one is gone."""
    seen = {}
    for path in itertools.chain.from_iterable(map(files_of, files.paths)):
        try:
            status = path.stat()
        except OSError:  # it is said when the case is read
            return {}
        # ctime changes whenever the content does, even if a copy has kept the old mtime.
        seen[str(path.resolve())] = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    return seen


def _entry(folder: Path, files: CaseFiles, seen: Mapping) -> Path:
    """Where a case is kept, named by its files, how they are read, and what was seen of them."""
    held = {**files.images, "labels": files.labels, "brain": files.brain}
    # Absolute, for the folder may be given in several ways; the name of a link tells the format.
    roles = {role: str(path and os.path.abspath(path)) for role, path in held.items()}
    how, when = ([roles, files.channels], [seen, VERSION])
    name = re.sub(r"[^A-Za-z0-9_-]", "_", files.case_id)[:60]
    return folder / f"{name}-{_digest_of(how, 8)}{_digest_of(when, 8)}"


def _written(path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, list]:
    """Write arrays one after the other; dtype, shape and offset of each."""
    layout = {}
    with path.open("wb") as file:
        for name, array in arrays.items():
            file.write(b"\0" * (-file.tell() % _ALIGNMENT))
            layout[name] = [array.dtype.str, array.shape, file.tell()]
            file.write(np.ascontiguousarray(array).data)
    return layout


def _mapped(path: Path, layout: Iterable) -> list[np.ndarray]:
    """The arrays of a file, mapped into memory, read-only."""
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return [
        np.frombuffer(mapping, dtype, count=int(np.prod(shape)), offset=offset).reshape(shape)
        for dtype, shape, offset in layout
    ]


def _seal(path: Path, known: str | None = None) -> None:
    """Note size, time and digest of a file, so that a later change is noticed."""
    status = path.stat()
    sealed = [status.st_size, status.st_mtime_ns, known or _digest(path)]
    write_whole(path.with_suffix(".json"), json.dumps(sealed))


def _is_sealed(path: Path) -> bool:
    """Whether a file is as it was when it was sealed."""
    try:
        size, time, sealed = json.loads(path.with_suffix(".json").read_text())
        status = path.stat()
    except (OSError, ValueError, TypeError):
        return False
    if status.st_size == size and status.st_mtime_ns != time and _digest(path) == sealed:
        with contextlib.suppress(OSError):  # a read-only folder is checked each time
            _seal(path, sealed)
        return True
    return (status.st_size, status.st_mtime_ns) == (size, time)


def _digest_of(contents: Mapping | list, size: int = 16) -> str:
    return digest(json.dumps(contents).encode(), size)


def _digest(path: Path) -> str:
    # Read, not mapped: the pages of a mapping would count as memory of this process.
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def allow_open_files(count: int) -> None:
    """Raise the limit of open files, if the system allows it: every mapped case holds one open."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = 0
    with contextlib.suppress(OSError):
        open_now = len(os.listdir("/dev/fd"))  # as of another cohort
    asked = open_now + 2 * count + 512
    if soft != resource.RLIM_INFINITY and soft < asked:
        limit = asked if hard == resource.RLIM_INFINITY else min(asked, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
