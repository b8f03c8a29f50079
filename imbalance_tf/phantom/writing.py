"""The cohort on disk: NIfTI files in BraTS layout, whole cases or none."""

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from imbalance_tf.cohort.arguments import expect, is_number, one_of, seed_of, whole
from imbalance_tf.cohort.case import SYNTHETIC
from imbalance_tf.cohort.disk import (
    alone,
    expanded,
    refuse_unwritable,
    room_for,
    whole_folder,
    write_whole,
)
from imbalance_tf.cohort.labels import SCHEME_FILE

from .case import make_case
from .fields import FIELD_OF_VIEW

VERSION = 4
"""Raised whenever the same arguments give other files, so that cohorts are never mixed."""
PARAMETERS_FILE, LOCK_FILE = "cohort.json", ".writing.lock"
DISEASES = {
    "glioma": {
        "what": "an artificial tumour",
        "values": "1 necrosis, 2 edema, 3 non-enhancing, 4 enhancing tumour",
    },
    "lesions": {"what": "artificial white matter lesions", "values": "1 lesion"},
}


def write_phantom_cohort(
    folder: str | os.PathLike,
    *,
    cases: int,
    seed: int = 0,
    slice_thickness: int = 1,
    disease: str = "glioma",
    volume: float = 1,
    contrast: float = 1,
    progress: bool = True,
) -> Path:
    """Write a cohort of synthetic brain scans, for work without any download.

    Each case is one folder, ``phantom_000/phantom_000_{t1,t1ce,t2,flair,seg}.nii.gz``: images
    int16 of 240 x 240 x (155 // slice_thickness) voxels, 1 x 1 x slice_thickness mm, LPS, skull
    stripped, air exactly 0, on an arbitrary scale per case and modality; labels uint8, 0 healthy
    or air, 1 necrosis, 2 edema, 3 non-enhancing, 4 enhancing. In every three cases one is of low
    grade: much non-enhancing tumour, hardly any enhancement. With ``disease="lesions"`` the
    labels are 0 healthy or air and 1 lesion, as ``scheme.toml`` in the folder says.

    A case is a function of seed and case number alone, and its tumour is the same at any slice
    thickness. A case appears under its name only when complete: after an interruption the same
    call writes what is missing, and a call with more cases extends the cohort.

    Parameters
    ----------
    folder
        Made if missing. May hold a cohort of the same parameters, else must be empty.
    cases
        How many, 1 or more.
    seed
        0 to 2**32 - 1. Two seeds never share a tumour.
    slice_thickness
        Millimetres, 1 to 10; time and disk space are proportional to the number of slices.
    disease
        ``"glioma"``, brain tumours; or ``"lesions"``, small lesions scattered through the white
        matter, 0.15 to 3 % of the brain, times `volume`.
    volume
        Factor on the volume of the disease: how rare it is. 0.1 to 2.
    contrast
        Factor on how far the disease's mean intensities are from those of healthy tissue: how
        clear it is. 0 to 3.
    progress
        Show a progress bar on stderr, if that is a terminal.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        An argument is out of range.
    NotADirectoryError
        ``folder`` is a file.
    FileExistsError
        ``folder`` holds something else, a cohort of other parameters, or more cases than asked.
    OSError
        ``folder`` cannot be written, or its disk is full.

    Notes
    -----
    Anatomy: the ICBM 2009a template shipped with nilearn (Fonov et al. 2011). Class shares and
    intensities follow BraTS 2013 and 2018 (Menze et al. 2015). Growth: reaction and diffusion
    (Swanson et al. 2000; Clatz et al. 2005). `benchmarks/cohort_realism.py` measures the result.

    Examples
    --------
    >>> folder = write_phantom_cohort("phantom", cases=1, slice_thickness=10)
    >>> sorted(path.name for path in folder.glob("phantom_000/*"))[:2]
    ['phantom_000_flair.nii.gz', 'phantom_000_seg.nii.gz']
    """
    cases = whole(1, 10_000, cases=cases)
    asked = {
        "generator": "imbalance_tf phantom",
        "version": VERSION,
        "seed": seed_of(seed),
        "slice_thickness": whole(1, 10, slice_thickness=slice_thickness),
        "disease": disease,
    }
    rare = is_number(volume) and 0.1 <= volume <= 2
    expect(rare, "a number from 0.1 to 2", volume=volume)
    expect(is_number(contrast) and 0 <= contrast <= 3, "a number from 0 to 3", contrast=contrast)
    one_of(*DISEASES, disease=disease)
    # Only if it is another, so that cohorts of before these were known stay what they are.
    asked |= {"volume": float(volume)} if volume != 1 else {}
    asked |= {"contrast": float(contrast)} if contrast != 1 else {}
    folder = expanded(folder=folder)
    _check_folder(folder, asked, cases)
    if not _missing(folder, cases):
        return folder  # without writing anything, so from a read-only share too

    refuse_unwritable(folder.absolute(), "choose another for the cohort")
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / LOCK_FILE):  # two notebooks may be opened at once
        _check_folder(folder, asked, cases)  # the other may have asked for another cohort
        write_whole(folder / PARAMETERS_FILE, json.dumps(asked, indent=2) + "\n")
        readme, notice, scheme = (
            files(__package__).joinpath(name).read_text(encoding="utf-8")
            for name in ("README.txt", "ICBM_NOTICE.txt", "lesions.toml")
        )
        readme = readme.format(**asked, **DISEASES[disease], notice=notice)
        write_whole(folder / "README.txt", readme)
        if disease == "lesions":
            write_whole(folder / SCHEME_FILE, scheme)

        def write(number: int, path: Path) -> None:
            case = make_case(
                seed,
                number,
                slice_thickness=slice_thickness,
                disease=disease,
                volume=volume,
                contrast=contrast,
            )
            with whole_folder(path, ("phantom_*.nii.gz",)) as partial:
                for kind, voxels in case.items():
                    _write_volume(partial / f"{path.name}_{kind}.nii.gz", voxels, slice_thickness)

        missing = _missing(folder, cases)  # another process may have written some meanwhile
        hidden = None if progress else True  # None: shown on a terminal, hidden in a log
        # Two cases at a time. The matrix library's own threads would compete with them, and make
        # the last bit of a product depend on the number of cores.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(2) as pool:
            written = pool.map(write, missing, missing.values())
            list(tqdm(written, "phantom cases", len(missing), unit="case", disable=hidden))
    return folder


def _missing(folder: Path, cases: int) -> dict[int, Path]:
    paths = ((number, folder / f"phantom_{number:03d}") for number in range(cases))
    return {number: path for number, path in paths if not path.exists()}


def _check_folder(folder: Path, asked: dict, cases: int) -> None:
    """Refuse a folder that holds anything but (part of) the cohort asked for."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; expected a folder, or a name not in use")
    try:
        found = json.loads((folder / PARAMETERS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        # An interruption of the very first write leaves these, which is no reason to refuse.
        begun = {f".{PARAMETERS_FILE}.partial", LOCK_FILE}
        if not (names := sorted({path.name for path in folder.iterdir()} - begun)):
            return
        problem = (
            f"is not empty and holds no {PARAMETERS_FILE}, so it is no phantom cohort: found "
            f"{', '.join(names[:3])}{' ...' if len(names) > 3 else ''}; asked for a new cohort in "
            "a new or empty folder."
        )
    except (OSError, ValueError, RecursionError) as error:
        problem = (
            f"has a {PARAMETERS_FILE} that cannot be read ({error}). If this is the cohort asked "
            f"for, let it hold {json.dumps(asked)}."
        )
    else:
        held = len(list(folder.glob("phantom_*")))
        if found == asked and held <= cases:
            return
        problem = f"holds another cohort: found {found}, asked for {asked}."
        if found == asked:
            problem = (
                f"holds more cases than asked for: found {held}, asked for {cases}, and a reader "
                f"would get them all. Ask for {held} or more."
            )
    raise FileExistsError(f"{folder} {problem} Choose another folder; nothing was changed.")


def _write_volume(path: Path, voxels: np.ndarray, slice_thickness: int) -> None:
    # The affine of BraTS: x grows to the left, y to the back, and the last row lies at y = 0 mm.
    affine = np.diag([-1.0, -1.0, slice_thickness, 1.0])
    affine[1, 3] = FIELD_OF_VIEW[1] - 1
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = f"{SYNTHETIC} {VERSION}"  # every file says so, wherever it is copied
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    # nibabel's own gzip writes the time of day; without it equal volumes are equal files.
    content = gzip.compress(image.to_bytes(), compresslevel=2, mtime=0)
    with room_for(path.parent, path.name, len(content)):
        path.write_bytes(content)
