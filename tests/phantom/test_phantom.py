"""The embedded cohort: what is on disk, that it is reproducible, and what it refuses."""

import io
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from threadpoolctl import threadpool_info, threadpool_limits

from imbalance_tf import LabelScheme, load_cohort
from imbalance_tf.phantom import growth, write_phantom_cohort, writing
from imbalance_tf.phantom.anatomy import Anatomy
from imbalance_tf.phantom.case import make_case, true_tissue

CASES, SEED, THICKNESS = 4, 5, 5
IMAGES = ("t1", "t1ce", "t2", "flair")


def write(folder: Path, **changes) -> Path:
    arguments = {"cases": 1, "seed": SEED, "slice_thickness": 10, "progress": False}
    return write_phantom_cohort(folder, **(arguments | changes))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def load(folder: Path, number: int, kind: str) -> np.ndarray:
    name = f"phantom_{number:03d}"
    return np.asarray(nib.load(folder / name / f"{name}_{kind}.nii.gz").dataobj)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohort") / "phantom"
    return write(folder, cases=CASES, slice_thickness=THICKNESS)


@pytest.fixture
def tiny_cases(monkeypatch):
    """Cases that cost nothing, for tests of files and folders alone."""

    def make_case(seed, number, *, slice_thickness, **_):
        shape = (240, 240, 155 // slice_thickness)
        images = {kind: np.full(shape, 1 + number + seed, np.int16) for kind in IMAGES}
        return images | {"seg": np.zeros(shape, np.uint8)}

    monkeypatch.setattr(writing, "make_case", make_case)


@pytest.mark.slow
def test_files_follow_the_naming_of_brats(cohort):
    names = {str(p.relative_to(cohort)) for p in cohort.rglob("*") if p.is_file()}
    cases = [f"phantom_{n:03d}" for n in range(CASES)]
    volumes = {f"{c}/{c}_{kind}.nii.gz" for c in cases for kind in (*IMAGES, "seg")}
    assert names == volumes | {"cohort.json", "README.txt"}


@pytest.mark.parametrize("kind", [*IMAGES, "seg"])
@pytest.mark.slow
def test_headers_are_those_of_brats(cohort, kind):
    image = nib.load(cohort / "phantom_001" / f"phantom_001_{kind}.nii.gz")
    assert image.shape == (240, 240, 155 // THICKNESS)
    assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
    assert image.header.get_zooms() == (1, 1, THICKNESS)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.get_data_dtype() == (np.uint8 if kind == "seg" else np.int16)
    for affine, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
        assert code > 0
        np.testing.assert_allclose(affine, image.affine, atol=1e-6)


def test_air_is_zero_and_tumour_lies_in_brain(cohort):
    for number in range(CASES):
        images = [load(cohort, number, kind) for kind in IMAGES]
        brain = images[0] != 0
        for image in images:
            assert image.min() == 0
            np.testing.assert_array_equal(image != 0, brain)
        assert 0.10 < brain.mean() < 0.25  # 1.0 to 2.0 litres
        labels = load(cohort, number, "seg")
        assert set(np.unique(labels)) == {0, 1, 2, 3, 4}
        assert not labels[~brain].any()


def test_every_class_is_there_in_plenty_and_healthy_is_the_most(cohort):
    labels = np.stack([load(cohort, n, "seg") for n in range(CASES)])
    brain = np.stack([load(cohort, n, "t1") for n in range(CASES)]) > 0
    shares = np.bincount(labels[brain], minlength=5) / brain.sum()
    assert 0.80 < shares[0] < 0.97
    assert (shares[1:] > 0.002).all()
    assert shares[2] == shares[1:].max()


def test_edema_is_the_outermost_class(cohort):
    contacts = np.zeros(5)
    for number in range(CASES):
        labels = load(cohort, number, "seg")
        for axis in range(3):
            near, far = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
            contacts += np.bincount(near[far == 0], minlength=5)
            contacts += np.bincount(far[near == 0], minlength=5)
    assert np.argmax(contacts[1:]) + 1 == 2
    assert contacts[2] > 2 * contacts[[1, 3, 4]].sum()


def test_no_threshold_tells_the_classes_apart(cohort):
    """Real classes overlap; clean class means would make every sampling strategy perfect."""
    labels = np.stack([load(cohort, n, "seg") for n in range(CASES)])
    for kind in IMAGES:
        volumes = [load(cohort, n, kind).astype(np.float64) for n in range(CASES)]
        z = np.stack([(v - v[v > 0].mean()) / v[v > 0].std() for v in volumes])
        brain = np.stack(volumes) > 0
        bins = np.linspace(-4, 8, 241)
        below = [np.cumsum(np.histogram(z[brain & (labels == c)], bins)[0]) for c in range(5)]
        below = [counts / counts[-1] for counts in below]

        def accuracy(one, other, below=below):
            return 0.5 + 0.5 * np.abs(below[one] - below[other]).max()

        for tumour in (1, 2, 3, 4):
            shines = kind == "t1ce" and tumour == 4
            assert accuracy(0, tumour) < (0.98 if shines else 0.95), (kind, tumour)
        assert accuracy(2, 3) < 0.85, kind


def test_brain_is_not_its_mirror_image(cohort):
    brain = load(cohort, 0, "t1") > 0
    # Whatever the mirror plane: the best of many still leaves a rim of difference.
    mirrored = brain[::-1]
    overlaps = [(np.roll(mirrored, shift, axis=0) & brain).sum() for shift in range(-12, 13)]
    assert max(overlaps) < 0.985 * brain.sum()


@pytest.mark.parametrize("disease", ["glioma", "lesions"])
@pytest.mark.slow
def test_a_disease_can_be_made_rarer(disease):
    usual, rarer = (
        (make_case(0, 0, slice_thickness=5, disease=disease, volume=volume)["seg"] > 0).sum()
        for volume in (1, 0.5)
    )
    assert rarer / usual == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_a_disease_can_be_made_clearer():
    """The same places, and a mean that is that much further from the brain around it."""
    apart = {}
    for contrast in (0, 1, 2):
        case = make_case(0, 0, slice_thickness=5, contrast=contrast)
        healthy = (case["t1"] > 0) & (case["seg"] == 0)
        flair = case["flair"] / case["flair"][healthy].mean()
        apart[contrast] = flair[case["seg"] == 2].mean() - flair[healthy].mean()
    assert apart[1] > 0.1
    assert abs(apart[0]) < 0.5 * apart[1]
    assert apart[2] - apart[1] == pytest.approx(apart[1] - apart[0], rel=0.25)


def test_cases_differ(cohort):
    first, second = (load(cohort, n, "seg") > 0 for n in (0, 1))
    assert 2 * (first & second).sum() / (first.sum() + second.sum()) < 0.9
    means = [load(cohort, n, "t2")[load(cohort, n, "t2") > 0].mean() for n in range(CASES)]
    assert max(means) > 1.2 * min(means)


@pytest.mark.slow
def test_same_seed_same_bytes_whatever_the_number_of_cases(tmp_path):
    one, two = write(tmp_path / "one"), write(tmp_path / "two", cases=2)
    first, second = contents(one), contents(two)
    assert {name: second[name] for name in first} == first


def test_two_cases_are_made_at_a_time_each_on_one_thread(tiny_cases, tmp_path, monkeypatch):
    # A matrix product that threads share may be rounded differently, so that the bytes would
    # depend on the machine.
    make_tiny, together, threads = writing.make_case, threading.Barrier(2), []

    def make_case(*arguments, **settings):
        together.wait(timeout=30)  # breaks unless another case is being made at the same time
        threads.extend(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")
        return make_tiny(*arguments, **settings)

    monkeypatch.setattr(writing, "make_case", make_case)
    with threadpool_limits(4):
        write(tmp_path / "cohort", cases=4)
    assert set(threads) == {1}


def test_another_cohort_that_was_begun_meanwhile_is_not_mixed_in(tiny_cases, tmp_path, monkeypatch):
    """Two notebooks start at once, with another seed each."""
    kept = writing.alone

    def alone(lock):
        monkeypatch.setattr(writing, "alone", kept)
        write(tmp_path / "cohort", seed=1)  # by the other, before this one gets the lock
        return kept(lock)

    monkeypatch.setattr(writing, "alone", alone)
    with pytest.raises(FileExistsError, match="holds another cohort"):
        write(tmp_path / "cohort", seed=2, cases=3)
    assert json.loads((tmp_path / "cohort" / "cohort.json").read_text())["seed"] == 1
    assert len(list((tmp_path / "cohort").glob("phantom_*"))) == 1


def test_other_seed_other_tumour(tmp_path):
    here, there = (load(write(tmp_path / str(s), seed=s), 0, "seg") > 0 for s in (1, 2))
    assert (here != there).sum() > 0.3 * here.sum()


def test_tumour_is_the_same_on_thick_and_thin_slices(cohort, tmp_path):
    thick = load(write(tmp_path / "thick", slice_thickness=10), 0, "seg") > 0
    thin = load(cohort, 0, "seg")[:, :, : 2 * thick.shape[2] : 2] > 0
    assert 2 * (thick & thin).sum() / (thick.sum() + thin.sum()) > 0.9


def test_readme_says_synthetic_and_carries_the_notice(cohort):
    text = (cohort / "README.txt").read_text()
    assert "NOT PATIENTS" in text
    assert "Copyright (C) 1993-2009 Louis Collins" in text
    assert "without express or\nimplied warranty" in text


def test_returns_the_folder_and_records_the_parameters(tiny_cases, tmp_path):
    folder = write(tmp_path / "new" / "cohort", seed=3)
    assert folder == tmp_path / "new" / "cohort"
    parameters = json.loads((folder / "cohort.json").read_text())
    assert parameters["seed"] == 3
    assert parameters["slice_thickness"] == 10


def test_interruption_leaves_no_half_written_case(tiny_cases, tmp_path, monkeypatch):
    write_volume = writing._write_volume

    def interrupted(path, voxels, slice_thickness):
        if path.name == "phantom_001_t2.nii.gz":
            raise KeyboardInterrupt
        write_volume(path, voxels, slice_thickness)

    folder = tmp_path / "cohort"
    with monkeypatch.context() as patch:
        patch.setattr(writing, "_write_volume", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(folder, cases=3)
    # The case beside it, made at the same time, may be there too: whole.
    there = {p.name for p in folder.glob("phantom_*")}
    assert {"phantom_000"} <= there <= {"phantom_000", "phantom_002"}
    finished = (folder / "phantom_000" / "phantom_000_t1.nii.gz").stat().st_mtime_ns

    write(folder, cases=3)
    assert (folder / "phantom_000" / "phantom_000_t1.nii.gz").stat().st_mtime_ns == finished
    assert contents(folder) == contents(write(tmp_path / "uninterrupted", cases=3))
    assert not list(folder.glob(".*"))


@pytest.mark.slow
def test_ctrl_c_at_the_command_line_leaves_whole_cases_only(tmp_path):
    command = [sys.executable, "-m", "imbalance_tf.lab.cli", "phantom", str(tmp_path / "cohort")]
    started = subprocess.Popen(
        [*command, "--cases", "50", "--slice-thickness", "10"],
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background of a shell ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (tmp_path / "cohort" / ".phantom_002.partial").exists():
        assert started.poll() is None
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    told = started.communicate(timeout=60)[1]
    assert started.returncode == 130
    assert "Traceback" not in told
    for case in (tmp_path / "cohort").glob("phantom_*"):
        for path in case.iterdir():
            assert nib.load(path).get_fdata().any()


def test_a_call_with_more_cases_extends_the_cohort(tiny_cases, tmp_path):
    folder = write(tmp_path / "cohort")
    before = contents(folder)
    write(folder, cases=2)
    after = contents(folder)
    assert {name: after[name] for name in before} == before
    assert len(list(folder.glob("phantom_*"))) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": SEED + 1}, f"'seed': {SEED + 1}"),
        ({"slice_thickness": 5}, "'slice_thickness': 5"),
        ({"cases": 1}, "found 2, asked for 1"),
    ],
)
def test_another_cohort_in_the_folder_is_refused(tiny_cases, tmp_path, changes, told):
    folder = write(tmp_path / "cohort", cases=2)
    before = contents(folder)
    with pytest.raises(FileExistsError) as error:
        write(folder, **({"cases": 2} | changes))
    assert str(folder) in str(error.value)
    assert told in str(error.value)
    assert "choose another folder" in str(error.value).lower()
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["notes.txt", "phantom_000/phantom_000_t1.nii.gz"])
def test_a_folder_with_something_else_is_refused(tiny_cases, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds no cohort\.json.*found"):
        write(tmp_path)
    assert contents(tmp_path) == {name: b"mine"}


@pytest.mark.bad_input
@pytest.mark.parametrize("damage", ["{", "[" * 100_000, "a folder", "a link to itself"])
def test_an_unreadable_record_is_refused(tiny_cases, tmp_path, damage):
    record = tmp_path / "cohort.json"
    if damage == "a folder":
        record.mkdir()
    elif damage == "a link to itself":
        record.symlink_to(record)
    else:
        record.write_text(damage)
    with pytest.raises(FileExistsError, match=r"cannot be read .* let it hold {"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.json"]


def test_a_file_in_place_of_the_folder_is_refused(tiny_cases, tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file"):
        write(path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cases": 0}, "cases=0; a whole number from 1 to 10000 is expected"),
        ({"seed": -1}, "seed=-1; a whole number from 0 to 4294967295 is expected"),
        ({"seed": 2**32}, "seed=4294967296"),
        ({"slice_thickness": 0}, "slice_thickness=0; a whole number from 1 to 10 is expected"),
        ({"slice_thickness": 11}, "slice_thickness=11"),
    ],
)
def test_arguments_out_of_range_are_refused(tiny_cases, tmp_path, changes, told):
    with pytest.raises(ValueError, match=told):
        write(tmp_path / "cohort", **changes)
    assert not (tmp_path / "cohort").exists()


def test_progress_goes_to_stderr_if_wanted_and_a_terminal(tiny_cases, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for progress, shown in ((True, True), (False, False)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        write(tmp_path / str(progress), progress=progress)
        assert ("phantom cases" in terminal.getvalue()) == shown


@pytest.fixture(scope="module")
def grown():
    """A tumour grown from the white matter of the right hemisphere, 12 mm from the midline."""
    rng = np.random.default_rng(0)
    anatomy = Anatomy(rng)
    tissue = anatomy.tissue(growth.Grid.regular(growth.STEP_MM))
    hemisphere = np.argwhere((tissue.compartment == 1) & (tissue.wm > 0.9)) * growth.STEP_MM
    middle = np.array([108, 120, 100])
    seed = hemisphere[np.square(hemisphere - middle).sum(axis=1).argmin()]
    tumour = growth.grow(rng, anatomy, [(seed, 0.8)], core_ml=60, length=2.5)
    return tissue, tumour


def test_diffusion_neither_makes_nor_loses_cells_and_stays_behind_the_barriers(grown):
    tissue, _ = grown
    faces = growth._open_faces(tissue, tissue.wm + 0.2 * tissue.gm)
    field = (tissue.compartment == 1).astype(np.float32)
    total = field.sum(dtype=np.float64)
    for _ in range(5):
        field += growth._diffused(field, faces)
    assert field.sum(dtype=np.float64) == pytest.approx(total, rel=1e-5)
    assert field.min() >= 0
    closed = (tissue.compartment == 0) & (field > 0)
    assert not closed.any()
    left = np.isin(tissue.compartment, (2, 3))
    crossed = field * left
    assert crossed[tissue.compartment == 3].sum() > 0  # through the corpus callosum only
    assert crossed[tissue.compartment == 2].sum() < 0.05 * crossed.sum()


def test_a_tumour_keeps_to_its_hemisphere_and_out_of_fluid(grown):
    tissue, tumour = grown
    dense = tumour.cells > 0
    assert dense.sum() * growth.STEP_MM**3 / 1000 == pytest.approx(60, rel=0.2)
    assert not dense[tissue.compartment == 0].any()
    assert dense[tissue.compartment == 2].sum() < 0.02 * dense.sum()
    assert dense[tissue.csf > 0.9].mean() < 0.2 * dense[tissue.wm > 0.9].mean()


def test_cells_and_edema_go_further_in_white_matter_than_in_grey(grown):
    tissue, tumour = grown
    core = tumour.cells > 0
    far = ndimage.distance_transform_edt(~core, sampling=growth.STEP_MM)
    near = (far > 0) & (far < 15) & (tissue.compartment == 1)
    cortex, white = near & (tissue.gm > 0.8), near & (tissue.wm > 0.8)
    for name in ("cells", "flow"):
        field = getattr(tumour, name)
        assert np.median(field[white]) > np.median(field[cortex])


@pytest.mark.slow
def test_edema_leaves_cortex_and_ventricles_alone(cohort):
    for number in range(2):
        tissue = true_tissue(SEED, number, slice_thickness=THICKNESS)
        labels = load(cohort, number, "seg")
        edema = labels == 2
        np.testing.assert_array_equal(tissue.brain, load(cohort, number, "t1") > 0)
        assert tissue.csf[edema].max() < 0.5
        assert tissue.wm[edema].mean() > 2 * tissue.gm[edema].mean()
        assert not labels[tissue.compartment == 0].any()


@pytest.mark.slow
def test_white_matter_lesions_are_many_small_and_in_white_matter(tmp_path):
    folder = write(tmp_path / "lesions", cases=2, slice_thickness=3, disease="lesions")
    read = load_cohort(folder)
    scheme = LabelScheme.from_toml(folder / "scheme.toml")
    assert read.scheme == scheme
    assert scheme.classes == ("healthy", "lesion")
    assert scheme.regions == {"lesion": ("lesion",)}
    counts = read.class_counts()
    share = counts[:, 1] / counts.sum(axis=1)
    assert ((share > 0.001) & (share < 0.05)).all()
    for number, case in enumerate(read):
        labels = case.labels
        pieces, count = ndimage.label(labels)
        assert count >= 8
        assert np.bincount(pieces.ravel())[1:].max() < 0.8 * labels.sum()
        flair = load(folder, number, "flair")
        lesion = load(folder, number, "seg") == 1
        assert flair[lesion].mean() > flair[(flair > 0) & ~lesion].mean()
        tissue = true_tissue(SEED, number, slice_thickness=3, disease="lesions")
        assert tissue.wm[lesion].min() > 0.5


def test_an_unknown_disease_and_a_folder_of_the_other_one_are_refused(tiny_cases, tmp_path):
    with pytest.raises(ValueError, match="disease='stroke'; 'glioma' or 'lesions' is expected"):
        write(tmp_path / "cohort", disease="stroke")
    folder = write(tmp_path / "cohort")
    with pytest.raises(FileExistsError, match="'disease': 'lesions'"):
        write(folder, disease="lesions")
    assert not (folder / "scheme.toml").exists()


@pytest.mark.slow
def test_a_case_is_the_same_on_every_run_whatever_was_made_before():
    first = make_case(SEED, 3, slice_thickness=20)
    make_case(SEED, 4, slice_thickness=20, disease="lesions")
    again = make_case(SEED, 3, slice_thickness=20)
    for kind, voxels in first.items():
        np.testing.assert_array_equal(voxels, again[kind])
