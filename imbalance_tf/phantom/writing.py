"""The cohort on disk: NIfTI files in BraTS layout, whole cases or none."""

import gzip
import json
import operator
import os
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from imbalance_tf.cohort.case import SYNTHETIC
from imbalance_tf.cohort.disk import alone, remove_own, write_whole
from imbalance_tf.cohort.labels import SCHEME_FILE

from .case import DISEASES, make_case
from .fields import FIELD_OF_VIEW

GENERATOR = "imbalance_tf phantom"
VERSION = 4
"""Raised whenever the same arguments give other files, so that cohorts are never mixed."""
PARAMETERS_FILE = "cohort.json"
LOCK_FILE = ".writing.lock"
LESIONS_SCHEME = """\
name = "white matter lesions"
classes = ["healthy", "lesion"]
values = [0, 1]
[regions]
lesion = ["lesion"]
"""

README = """\
Synthetic brain scans. NOT PATIENTS: nobody was scanned, and no image here may be read as
medical evidence.

{generator}, version {version}, wrote these cases (seed {seed}, slices of {slice_thickness} mm) in
the layout of BraTS: one folder a case with T1, contrast-enhanced T1 (t1ce), T2, FLAIR and the
segmentation ({values}).

Each case is the ICBM 2009a average brain, scaled and bent at random, with {what}.
Intensities are drawn from published statistics of BraTS. The ICBM template comes with this notice:

{notice}"""

DESCRIPTIONS = {
    "glioma": {
        "values": "0 healthy or air, 1 necrosis, 2 edema, 3 non-enhancing, 4 enhancing tumour",
        "what": "an artificial tumour",
    },
    "lesions": {
        "values": "0 healthy or air, 1 lesion",
        "what": "artificial white matter lesions",
    },
}


def write_phantom_cohort(
    folder: str | os.PathLike,
    *,
    cases: int,
    seed: int = 0,
    slice_thickness: int = 1,
    disease: str = "glioma",
    progress: bool = True,
) -> Path:
    """Write a cohort of synthetic brain scans, for work without any download.

    Each case is one folder, ``phantom_000/phantom_000_{t1,t1ce,t2,flair,seg}.nii.gz``: images
    int16 of 240 x 240 x (155 // slice_thickness) voxels, 1 x 1 x slice_thickness mm, LPS, skull
    stripped, air exactly 0, on an arbitrary scale per case and modality; labels uint8, 0 healthy
    or air, 1 necrosis, 2 edema, 3 non-enhancing, 4 enhancing. In every three cases one is of low
    grade: much non-enhancing tumour, hardly any enhancement. With ``disease="lesions"`` the
    labels are 0 healthy or air and 1 lesion, as ``scheme.toml`` in the folder says.

    A case is a function of seed and case number alone, whatever the number of cases, and its
    tumour is the same at any slice thickness. A case appears under its name only when complete:
    after an interruption the same call writes what is missing. A call with more cases extends
    the cohort.

    Parameters
    ----------
    folder
        Made if missing. May hold a cohort of the same parameters, else must be empty.
    cases
        How many, 1 or more.
    seed
        0 to 2**32 - 1. Two seeds never share a tumour.
    slice_thickness
        Millimetres, 1 to 10; time and disk fall in proportion.
    disease
        ``"glioma"``, brain tumours; or ``"lesions"``, small lesions scattered through the white
        matter, 0.1 to 5 % of the brain.
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

    Notes
    -----
    Anatomy: the ICBM 2009a template shipped with nilearn (Fonov et al. 2011). Class shares and
    intensities follow BraTS 2013 and 2018 (Menze et al. 2015). Growth: reaction and diffusion
    (Swanson et al. 2000; Clatz et al. 2005). `benchmarks/cohort_realism.py` measures the result.

    Examples
    --------
    >>> write_phantom_cohort("data/phantom", cases=8, slice_thickness=3)  # doctest: +SKIP
    PosixPath('data/phantom')
    """
    cases = _integer("cases", cases, 1)
    seed = _integer("seed", seed, 0, 2**32 - 1)
    slice_thickness = _integer("slice_thickness", slice_thickness, 1, 10)
    if disease not in DISEASES:
        raise ValueError(f"disease is {disease!r}; expected one of {', '.join(DISEASES)}")
    folder = Path(folder)
    asked = {
        "generator": GENERATOR,
        "version": VERSION,
        "seed": seed,
        "slice_thickness": slice_thickness,
        "disease": disease,
    }
    _check_folder(folder, asked, cases)
    if not _missing(folder, cases):
        return folder  # without a trace, so from a read-only share too

    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / LOCK_FILE):  # two notebooks may be opened at once
        notice = files(__package__).joinpath("ICBM_NOTICE.txt").read_text(encoding="utf-8")
        write_whole(folder / PARAMETERS_FILE, json.dumps(asked, indent=2) + "\n")
        write_whole(
            folder / "README.txt", README.format(**asked, **DESCRIPTIONS[disease], notice=notice)
        )
        if disease == "lesions":
            write_whole(folder / SCHEME_FILE, LESIONS_SCHEME)

        def write(number: int) -> None:
            partial = folder / f".{_case_name(number)}.partial"
            remove_own(partial, ("phantom_*.nii.gz",))
            partial.mkdir()
            case = make_case(seed, number, slice_thickness=slice_thickness, disease=disease)
            for kind, voxels in case.items():
                path = partial / f"{_case_name(number)}_{kind}.nii.gz"
                _write_volume(path, voxels, slice_thickness)
            partial.rename(folder / _case_name(number))

        missing = _missing(folder, cases)  # another process may have written some meanwhile
        hidden = None if progress else True  # None: shown on a terminal, hidden in a log
        # Two cases at a time. Threads of the matrix library's own would spin beside them, and make
        # the last bit of a product depend on the number of cores.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(2) as pool:
            written = pool.map(write, missing)
            for _ in tqdm(
                written, total=len(missing), desc="phantom cases", unit="case", disable=hidden
            ):
                pass
    return folder


def _missing(folder: Path, cases: int) -> list[int]:
    return [number for number in range(cases) if not (folder / _case_name(number)).exists()]


def _case_name(number: int) -> str:
    return f"phantom_{number:03d}"


def _integer(name: str, value: int, lowest: int, highest: int | None = None) -> int:
    number = operator.index(value)
    if number < lowest or (highest is not None and number > highest):
        limits = f"{lowest} or more" if highest is None else f"from {lowest} to {highest}"
        raise ValueError(f"{name} is {value!r}; expected a whole number, {limits}")
    return number


def _check_folder(folder: Path, asked: dict, cases: int) -> None:
    """Refuse a folder that holds anything but (part of) the cohort asked for."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; expected a folder, or a name not in use")
    way_out = "Choose another folder; nothing was changed."
    parameters = folder / PARAMETERS_FILE
    if not parameters.exists():
        # What an interruption of the very first write leaves is no reason to refuse.
        begun = (f".{PARAMETERS_FILE}.partial", LOCK_FILE)
        held = sorted(path.name for path in folder.iterdir() if path.name not in begun)
        if held:
            raise FileExistsError(
                f"{folder} is not empty and holds no {PARAMETERS_FILE}, so it is no phantom "
                f"cohort: found {', '.join(held[:3])}{' ...' if len(held) > 3 else ''}; asked "
                f"for a new cohort in a new or empty folder. {way_out}"
            )
        return
    try:
        found = json.loads(parameters.read_text(encoding="utf-8"))
    except ValueError:
        found = "unreadable"
    if found != asked:
        raise FileExistsError(
            f"{folder} holds another cohort: found {found}, asked for {asked}. {way_out}"
        )
    held = len(list(folder.glob("phantom_*")))
    if held > cases:
        raise FileExistsError(
            f"{folder} holds more cases than asked for: found {held}, asked for {cases}, and a "
            f"reader would get them all. Ask for {held} or more, or choose another folder; "
            "nothing was changed."
        )


def _write_volume(path: Path, voxels: np.ndarray, slice_thickness: int) -> None:
    # The affine of BraTS: x grows to the left, y to the back, and the last row lies at y = 0 mm.
    affine = np.diag([-1.0, -1.0, slice_thickness, 1.0])
    affine[1, 3] = FIELD_OF_VIEW[1] - 1
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = f"{SYNTHETIC} {VERSION}"  # wherever the file goes, it says so
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    # nibabel's own gzip writes the time of day; without it equal volumes are equal files.
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=2, mtime=0))
