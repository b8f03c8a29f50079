"""What the results in a folder were made with: ``lab.json``, which `imbalance-tf run` leaves."""

import json
from pathlib import Path
from typing import Any

__all__ = ["SETTINGS", "refuse_other_settings"]

SETTINGS = "lab.json"


def refuse_other_settings(out: Path, settings: dict[str, Any]) -> None:
    """FileExistsError if a run with other settings has left its results in a folder.

    ValueError if its settings cannot be read.
    """
    kept = out / SETTINGS
    if not kept.exists():
        return
    try:
        found = {**json.loads(kept.read_text())}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{kept} is damaged ({error}). If these are the results of this command, let it hold "
            f"{json.dumps(settings)}; else choose another folder with --out"
        ) from error
    # A setting that is missing was not known then, and so had its default: nothing, or 0.
    if different := [key for key in settings if (found.get(key) or 0) != (settings[key] or 0)]:
        was = ", ".join(f"{key}={found.get(key)!r}" for key in different)
        now = ", ".join(f"{key}={settings[key]!r}" for key in different)
        raise FileExistsError(
            f"{out} holds the results of a run with {was}; this one has {now}. "
            f"Choose another folder with --out"
        )
