"""The moments at which a process changes files, and an end at one of them: for ``kills.py``."""

import builtins
import io
import os
import signal
import threading
import time
from pathlib import Path

__all__ = ["Moments"]


class Moments:
    """Counts the moments at which files in a folder change, and ends the process at one of them."""

    def __init__(self, folder: Path, at: int | None):
        self.folder, self.at, self.count = f"{folder}{os.sep}", at, 0
        self.lock = threading.Lock()
        for name in ("replace", "rename"):
            setattr(os, name, self.renaming(getattr(os, name)))
        for name in ("remove", "unlink", "rmdir"):
            setattr(os, name, self.removing(getattr(os, name)))
        builtins.open = io.open = self.opening(io.open)

    def pass_by(self, what: str, path, torn: bool = False) -> None:
        with self.lock:
            self.count += 1
            if self.count - 1 != self.at:
                return
            if torn:
                os.truncate(path, os.path.getsize(path) // 2)
            print(f"killed {what}: {os.fspath(path).removeprefix(self.folder)}", flush=True)
            os.killpg(0, signal.SIGKILL)
            time.sleep(60)

    def counts(self, path) -> bool:
        own = isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.folder)
        return own and not os.fspath(path).endswith(".lock")

    def renaming(self, function):
        def rename(source, target, **other):
            if not self.counts(source):
                return function(source, target, **other)
            self.pass_by("before renaming", source)
            if os.path.isfile(source):
                self.pass_by("with half of", source, torn=True)
            function(source, target, **other)
            return self.pass_by("after renaming to", target)

        return rename

    def removing(self, function):
        def remove(path, **other):
            if not self.counts(path):
                return function(path, **other)
            self.pass_by("before removing", path)
            function(path, **other)
            return self.pass_by("after removing", path)

        return remove

    def opening(self, function):
        def opened(file, mode="r", *rest, **other):
            stream = function(file, mode, *rest, **other)
            if self.counts(file) and set(mode) & set("wax+"):
                self.pass_by("on opening", file)
            return stream

        return opened
