"""The bytes of a file of scans, unpacked to their end, but never more than fit into memory."""

import bz2
import errno
import os
import stat
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

LARGEST = 2**29
"""Bytes of an unpacked file; a head at 0.5 mm takes 400 MB in single precision."""
_SMALLER = f"at most {LARGEST:,} are expected: crop it to the head, or store it in single precision"
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
        Whatever zlib and bz2 raise for a file that is not whole.
    """
    refuse_absent(path)
    if (size := path.stat().st_size) > LARGEST:
        raise ScanError(f"{path}: {size:,} bytes; {_SMALLER}")
    content = path.read_bytes()
    streams: dict[bytes, Callable[[], Any]] = {
        b"\x1f\x8b": partial(zlib.decompressobj, wbits=31),
        b"BZ": bz2.BZ2Decompressor,
    }
    packed = streams.get(content[:2])
    try:
        return unpacked(content, packed, LARGEST) if packed else content
    except OverflowError as error:
        raise ScanError(f"{path}: {error}; {_SMALLER}") from error


def unpacked(content: bytes, stream_of: Callable[[], Any], most: int) -> bytes:
    """What one or more packed streams, one after the other, hold.

    Raises
    ------
    OverflowError
        If that is more than `most` bytes.
    EOFError
        If a stream is cut short.
    """
    parts, left = [], most
    while content:
        stream = stream_of()
        parts.append(stream.decompress(content, left + 1))
        left -= len(parts[-1])
        if left < 0:
            raise OverflowError(f"it unpacks to more than {most:,} bytes")
        if not stream.eof:
            raise EOFError("it ended before the marker of its end")
        content = stream.unused_data.lstrip(b"\0")  # a last block may be padded
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
