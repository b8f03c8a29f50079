"""Headers of MetaImages that are wrong: each costs its case, and not the process."""

import zlib

import numpy as np
import pytest

from imbalance_tf.reading.content import ScanError
from imbalance_tf.reading.volumes import open_scan

HEAD = """ObjectType = Image
NDims = 3
BinaryData = True
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = 0 0 0
ElementSpacing = 1 1 1
DimSize = 5 4 3
ElementType = MET_SHORT
ElementDataFile = LOCAL
"""
VOXELS = np.arange(60, dtype="<i2").tobytes()
NOWHERE = "are singular or without bounds, so it cannot say where the voxels lie"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("NDims = 3", "NDims = 100", "100 dimensions and 1 numbers per voxel"),  # ITK aborts
        ("NDims = 3", "NDims = three", "cannot be read as MetaImage .*invalid literal"),
        ("NDims = 3", "ElementNumberOfChannels = 2", "3 dimensions and 2 numbers per voxel"),
        ("5 4 3", "30000 30000 30000", "promises 30000x30000x30000 voxels of int16"),
        ("5 4 3", "5 4 -3", r"DimSize is \(5, 4, -3\)"),
        ("5 4 3", "5 4", r"DimSize is \(5, 4\)"),
        ("DimSize", "Size", r"DimSize is \(\)"),
        ("MET_SHORT", "MET_STRING", "ElementType MET_STRING"),
        ("MET_SHORT", "MET_DOUBLE", "take 480 bytes; it holds 120: it was cut short"),
        ("LOCAL", "/etc/passwd", "no line ElementDataFile = LOCAL"),
        ("LOCAL", "slice%d.raw 1 1000000000 1", "no line ElementDataFile = LOCAL"),
        ("BinaryData = True", "BinaryData = False", "its voxels are written as text"),
        ("BinaryData", "CompressedData = True\nBinaryData", "Error -3 while decompressing"),
        ("ElementSpacing = 1", "ElementSpacing = 0", NOWHERE),
        ("ElementSpacing = 1", "ElementSpacing = nan", NOWHERE),
        ("ElementSpacing = 1", "ElementSpacing = inf", NOWHERE),
        ("ElementSpacing = 1 1 1", "ElementSpacing = 1", "cannot be read as MetaImage"),
        ("1 0 0 0 1 0 0 0 1", "1 0 0 0 1 0 0 0 0", NOWHERE),
        ("Offset = 0", "Offset = 1e30", NOWHERE),
    ],
)
def test_a_wrong_header_is_refused_in_words(tmp_path, old, new, words):
    assert old in HEAD
    path = tmp_path / "a.mha"
    path.write_bytes(HEAD.replace(old, new).encode() + VOXELS)
    with pytest.raises(ScanError, match=words) as error:
        open_scan(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (zlib.compress(VOXELS)[:-2], "voxels are not 120 bytes, or were cut short"),
        (zlib.compress(VOXELS + VOXELS), "voxels are not 120 bytes"),
    ],
)
def test_compressed_voxels_are_whole(tmp_path, packed, words):
    path = tmp_path / "a.mha"
    head = HEAD.replace("BinaryData", "CompressedData = True\nBinaryData").encode()
    path.write_bytes(head + zlib.compress(VOXELS))
    assert open_scan(path).image.get_fdata().max() == 59
    path.write_bytes(head + packed)
    with pytest.raises(ScanError, match=words):
        open_scan(path)
