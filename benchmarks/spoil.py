"""Content of files, spoiled by chance: what ``fuzz.py`` does to valid input."""

import gzip
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np

__all__ = ["ODD", "spoiled"]

ODD = [None, True, 0, -1, 1.5, 1e999, 2**70, "", "x", "NaN", "../../x", "/x", "a\0b", "é", [], {}]
ODD += [[[]], ["x"], {"x": 1}, "x" * 300, "{}", "~", "0", "1e5", "-0"]
"""Values that are seldom meant."""


def spoiled(content: bytes, path: Path, g: np.random.Generator) -> bytes:
    """Other content for a file."""
    if path.name.endswith(".nii.gz") and g.random() < 0.8:
        return gzip.compress(spoiled_header(gzip.decompress(content), g), 1)
    if path.suffix == ".json" and g.random() < 0.5:
        return json.dumps(with_an_odd_value(json.loads(content), g)).encode()
    for _ in range(g.integers(1, 4)):
        content = [bits, a_piece, lines, numbers][g.integers(4)](content, g)
    return content


def spoiled_header(content: bytes, g) -> bytes:
    header = nib.Nifti1Header(content[:348], check=False)
    if g.random() < 0.3:
        return bits(content[:352], g) + content[352:]
    for _ in range(g.integers(1, 3)):
        name = g.choice(header.keys())
        field = np.array(header[name])
        if field.dtype.kind in "iuf":
            odd = [0, -1, 1, 2, 1e9, 1e-9, np.nan, np.inf, 32767, g.integers(-300, 300)]
            with np.errstate(all="ignore"):
                value = np.array(odd[g.integers(len(odd))]).astype(field.dtype)
            field = field.reshape(-1)
            field[g.integers(len(field))] = value
            header[name] = field.reshape(header[name].shape)
    return header.binaryblock + content[348:]


def with_an_odd_value(value, g):
    """JSON, of which some value, or the name of one, is another."""
    if isinstance(value, dict) and value and g.random() < 0.85:
        key = list(value)[g.integers(len(value))]
        if g.random() < 0.15:
            return {name + "x" * (name == key): each for name, each in value.items()}
        return value | {key: with_an_odd_value(value[key], g)}
    if isinstance(value, list) and value and g.random() < 0.85:
        place = g.integers(len(value))
        return [*value[:place], with_an_odd_value(value[place], g), *value[place + 1 :]]
    return ODD[g.integers(len(ODD))]


def bits(content, g):
    """Single bytes."""
    array = np.frombuffer(content, np.uint8).copy()
    if len(array):
        places = g.integers(len(array), size=g.integers(1, 5))
        array[places] ^= (1 << g.integers(8, size=len(places))).astype(np.uint8)
    return array.tobytes()


def a_piece(content, g):
    """A piece removed, doubled, cut off behind, or new."""
    start, end = sorted(g.integers(len(content) + 1, size=2))
    if g.random() < 0.7:
        end = min(end, start + 8)
    new = [b"", 2 * content[start:end], g.bytes(4), b"\0", b"\xef\xbb\xbf", b"\r\n"]
    return content[:start] + new[g.integers(len(new))] + content[end * (g.random() < 0.8) :]


def lines(content, g):
    """A line removed, doubled or moved."""
    held = content.splitlines(keepends=True)
    if held:
        line = held.pop(g.integers(len(held)))
        for _ in range(g.integers(3)):
            held.insert(g.integers(len(held) + 1), line)
    return b"".join(held)


def numbers(content, g):
    """A number or word, replaced."""
    found = list(re.finditer(rb"[\w.+-]+", content[:20_000]))
    if not found:
        return content
    part = found[g.integers(len(found))]
    new = str(ODD[g.integers(len(ODD))]).encode()
    return content[: part.start()] + new + content[part.end() :]
