"""Files and folders that stay complete if the process is killed, and are removed with care."""

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from .arguments import expect


def expanded(**named: str | os.PathLike) -> Path:
    """The path that is given by its name, as a shell would take it: ``~`` is the home folder.

    Empty, as of a variable that is not set, it is refused; it would be the folder of the moment.
    """
    (path,) = named.values()
    named_so = isinstance(path, str | os.PathLike) and path != "" and "\0" not in str(path)
    expect(named_so, "a path", **named)
    return Path(os.path.expanduser(path))


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, with or without a mark at its beginning, as Notepad adds it.

    ValueError if it is a folder, a device or a pipe, which might be read for ever, or large.
    """
    if path.exists() and not (path.is_file() and path.stat().st_size < 10**7):
        raise ValueError("it is a folder, a device, a pipe or large; a file of text is expected")
    return path.read_text(encoding="utf-8-sig")


def digest(content: bytes, size: int = 16) -> str:
    """What tells two contents apart: `size` bytes as hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=size).hexdigest()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is always complete, old or new, even if the process is killed.

    Text is written in UTF-8, with its line ends unchanged.
    """
    partial = path.with_name(f".{path.name}.partial")
    data = content.encode() if isinstance(content, str) else content
    with room_for(path.parent, path.name, len(data)):
        partial.write_bytes(data)
        partial.replace(path)


@contextlib.contextmanager
def room_for(folder: Path, what: str, size: int) -> Iterator[None]:
    """Turns a full disk into an error that says which folder is on it, and what was to be written.

    Parameters
    ----------
    what : str
        What the block writes there.
    size : int
        Its bytes.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            if error.filename is None:  # as of a write that fails: it names nothing
                error.filename = str(folder / what)
            raise
        free = shutil.disk_usage(folder).free
        elsewhere = (
            "; what is free should do, so look for a quota, and at the disks of the home folder "
            "and of temporary files"
        )
        raise OSError(
            f"the disk of {folder} is full ({free / 1e6:.1f} MB are free): {what} takes "
            f"{size / 1e6:.1f} MB. Make room and start again: it goes on from here"
            f"{elsewhere if free > size else ''}"
        ) from error


def nearest_folder(folder: Path, way_out: str) -> Path:
    """A folder, or the nearest above it that is there; NotADirectoryError if that is none."""
    nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not nearest.is_dir():
        what = "a link to nowhere" if nearest.is_symlink() else "a file"
        raise NotADirectoryError(f"{folder} can be no folder: {nearest} is {what}; {way_out}")
    return nearest


def refuse_unwritable(folder: Path, way_out: str) -> None:
    """PermissionError if a folder, or the nearest above it that is there, cannot be written."""
    if not os.access(nearest_folder(folder, way_out), os.W_OK):
        raise PermissionError(f"the folder {folder} cannot be written; {way_out}")


@contextlib.contextmanager
def whole_folder(place: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    """A hidden folder to write in, which is renamed to `place` when the block has succeeded.

    `patterns` match the files written there, as for `remove_own`: what is left of a process that
    was killed is removed first, and in the end what stands at `place`.
    """
    partial = place.with_name(f".{place.name}.partial")
    remove_own(partial, patterns)
    partial.mkdir()
    try:
        yield partial
        remove_own(place, patterns)
        partial.rename(place)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Run the block in one process at a time, by a lock file that is removed afterwards.

    A process that waits for a lock file that was removed notices this, and makes another.
    """
    with locked(lock, f"{lock.parent}"):
        try:
            yield
        finally:
            with contextlib.suppress(PermissionError):  # Windows keeps what is open
                lock.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(lock: Path, what: str) -> Iterator[None]:
    """Run the block in one process at a time; says so if it has to wait for another.

    A file where the block wants a folder, or the reverse, is an error with the way out.
    """
    held = FileLock(lock)
    try:
        try:
            held.acquire(timeout=0)
        except Timeout:
            print(f"Waiting: another process, or notebook, is making {what}", flush=True)
            held.acquire()
        yield
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        if error.errno is None:  # of ours, which has its own
            raise
        raise type(error)(
            f"{error.filename2 or error.filename} is in the way ({error.strerror}); move it away, "
            f"and start again: it goes on from here"
        ) from error
    finally:
        held.release()


def remove_own(place: Path, patterns: tuple[str, ...]) -> None:
    """Remove a folder if the names of all its files match `patterns`, so that it can be made anew.

    Anything else at `place` belongs to a person, and is only renamed: ``<place>.aside-1``.
    """
    if not place.exists() and not place.is_symlink():
        return
    if place.is_dir() and not place.is_symlink():
        own = {file for pattern in patterns for file in place.glob(pattern)}
        if own.issuperset(place.iterdir()):
            shutil.rmtree(place)
            return
    set_aside(place, f"{place.name}.aside-")


def set_aside(path: Path, name: str, suffix: str = "") -> None:
    """Rename a file or folder to ``<name><number><suffix>``, with the first free number from 1."""
    names = (path.with_name(f"{name}{number}{suffix}") for number in itertools.count(1))
    path.rename(next(free for free in names if not free.exists()))
