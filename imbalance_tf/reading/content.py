"""The bytes of a file of scans, unpacked to their end, but no more than two gigabytes."""

import bz2
import errno
import gzip
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

LARGEST = 2**31
"""Bytes of an unpacked file; four modalities of a head at 0.5 mm take 1.6 GB."""
POINTERS = {b"version https://git-lfs": "git lfs pull", b"/annex/objects/": "git annex get"}
"""How a small text begins that stands for a file kept elsewhere, and what fetches the file."""


class ScanError(ValueError):
    """A file, or the files of a case, cannot be used; each argument is a problem, on one line."""


def content_of(path: Path) -> bytes:
    """What a file holds, unpacked; nibabel itself stops before the checksum at the end.

    Raises
    ------
    ScanError
        If the file is absent, or holds more than `LARGEST` bytes.
    Exception
        Whatever gzip and bz2 raise for a file that is not whole.
    """
    refuse_absent(path)
    with path.open("rb") as file:
        begins = file.read(2)
    kinds: dict[bytes, Callable[..., IO[Any]]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}
    parts, size = [], 0
    with kinds.get(begins, open)(path, "rb") as file:
        while part := file.read(2**24):
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                raise ScanError(
                    f"{path}: unpacked, it is more than {LARGEST:,} bytes; crop it to the head, or "
                    f"store it in single precision"
                )
    return b"".join(parts)


def refuse_absent(path: Path) -> None:
    """ScanError if a file is not there, is no file, or only stands for one that is elsewhere."""
    try:
        status = path.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        if os.path.islink(path):
            raise ScanError(
                f"{path}: a link to {os.readlink(path)}, which is not there; fetch that file (git "
                f"annex get, if git-annex made the link), or copy it here"
            ) from error
        raise ScanError(
            f"{path}: missing; a .hdr and an .img file of the same name are expected"
        ) from error
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
        raise ScanError(f"{path}: no file, but a device or a pipe; put the scan there")
    with path.open("rb") as file:
        begins = file.read(max(map(len, POINTERS)))
    for start, command in POINTERS.items():
        if begins.startswith(start):
            raise ScanError(
                f"{path}: only the name of a file that is kept elsewhere; fetch it: {command}"
            )
