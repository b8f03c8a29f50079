"""Files and folders that a process may be killed over: written whole, and removed with care."""

import contextlib
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

__all__ = ["alone", "made_folder", "remove_own", "write_whole"]


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file under another name and rename it: killed at any moment, it is as it was or new.

    Text is written in UTF-8, with the line ends that it has.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content.encode() if isinstance(content, str) else content)
    partial.replace(path)


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One process at a time, by a lock file that is gone afterwards.

    A process that waits for a file that has been removed notices, and makes another.
    """
    with FileLock(lock):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


@contextlib.contextmanager
def made_folder(path: Path) -> Iterator[None]:
    """A folder for the work of the block, made with its parents.

    If the block fails, of the folders that were made here those are removed that are empty: a
    folder of another process or person, or one that has something in it by now, stays.
    """
    made = []
    try:
        for folder in reversed([path, *path.parents]):
            if not folder.exists():
                with contextlib.suppress(FileExistsError):  # another process was faster
                    folder.mkdir()
                    made.append(folder)
        yield
    except BaseException:
        for folder in reversed(made):
            try:
                folder.rmdir()
            except OSError:
                break
        raise


def remove_own(place: Path, patterns: tuple[str, ...]) -> None:
    """Remove a folder that holds nothing but files of these names, so that a new one can be made.

    Anything else that stands there is a person's, and only moved aside, to ``<place>.aside-1``.
    """
    if not place.exists() and not place.is_symlink():
        return
    if place.is_dir() and not place.is_symlink():
        own = {file for pattern in patterns for file in place.glob(pattern)}
        if own.issuperset(place.iterdir()):
            shutil.rmtree(place)
            return
    aside = (place.with_name(f"{place.name}.aside-{number}") for number in itertools.count(1))
    place.rename(next(path for path in aside if not path.exists()))
