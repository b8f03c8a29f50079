"""check: everything that is wrong at once; and on_error="skip"."""

import json
import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from imbalance_tf import CohortError, check_folder, load_cohort
from imbalance_tf.lab.cli import main
from imbalance_tf.reading.characteristics import characteristics

from ..conftest import SHAPE, save


@pytest.fixture
def bad_folder(case_folder, write_case):
    """Two good cases, and three that are each bad in another way."""
    write_case(case_folder, "case_3", seed=3)
    write_case(case_folder, "case_4", seed=4)
    (case_folder / "case_1" / "case_1_seg.nii.gz").unlink()
    (case_folder / "case_2" / "case_2_t1.nii.gz").write_bytes(b"no scan")
    labels = np.zeros(SHAPE, np.uint8)
    labels[20, 20, 5] = 9
    save(case_folder / "case_3" / "case_3_seg.nii.gz", labels)
    return case_folder


BAD = ["case_1: no segmentation", "case_2_t1.nii.gz: cannot be read", "label value 9 is outside"]


def test_all_problems_and_all_good_cases_are_reported(bad_folder):
    report = check_folder(bad_folder)
    assert [case.case for case in report.cases] == ["case_0", "case_4"]
    assert len(report.problems) == 3
    for words, problem in zip(BAD, report.problems, strict=True):
        assert words in problem
    assert report.scheme.name == "brats2013"
    assert report.layout == "BraTS 2017 to 2021"


def test_the_shares_are_those_of_the_cohort(case_folder):
    report = check_folder(case_folder)
    counts = load_cohort(case_folder).class_counts()
    for case, expected in zip(
        report.cases, counts / counts.sum(axis=1, keepdims=True), strict=True
    ):
        assert list(case.shares.values()) == pytest.approx(expected)
        assert case.grid == SHAPE
        assert case.spacing == (1, 1, 1)


def test_at_the_command_line(bad_folder):
    result = CliRunner().invoke(main, ["check", str(bad_folder)])
    assert result.exit_code == 1
    assert "case_0: 40x36x12; 1x1x1 mm; LPS" in result.stdout
    assert "t1+flair" in result.stdout
    for words in BAD:
        assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_good_folder_ends_with_0(case_folder):
    result = CliRunner().invoke(main, ["check", str(case_folder)])
    assert result.exit_code == 0
    assert "cases to use: 3" in result.stdout
    assert not result.stderr


@pytest.mark.parametrize("bad", [False, True])
def test_json_for_a_script(request, bad):
    folder = request.getfixturevalue("bad_folder" if bad else "case_folder")
    result = CliRunner().invoke(main, ["check", str(folder), "--json"])
    assert result.exit_code == bad
    report = json.loads(result.stdout)
    assert len(report["problems"]) == (3 if bad else 0)
    assert report["cases"][0]["grid"] == list(SHAPE)
    assert report["scheme"]["name"] == "brats2013"


def test_a_folder_without_cases_is_one_problem(tmp_path):
    result = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert result.exit_code == 1
    assert "no case found" in result.stderr


def test_what_was_decided_is_said(tmp_path, write_case):
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0, 0], labels[20, 20, 5] = 3, 4
    write_case(tmp_path, "a", seg=labels)
    (case,) = check_folder(tmp_path).cases
    assert "1 tumour voxels outside the brain counted as brain" in case.notes
    assert "without necrosis, edema" in case.notes
    assert "brain: where a modality is not air" in case.notes


def test_what_may_be_wrong_is_said(tmp_path, write_case):
    folder = write_case(tmp_path, "a")
    thick = np.diag([-1.0, -1.0, 500.0, 1.0])
    moved = thick + 0.0
    moved[0, 3] = 0.4
    for name in ("t1", "flair", "seg"):
        path = folder / f"a_{name}.nii.gz"
        save(path, np.asarray(nib.load(path).dataobj), moved if name == "t1" else thick)
    (case,) = check_folder(tmp_path).cases
    assert "files up to 0.4 mm apart taken to share one grid" in case.notes
    assert "a brain of 3,000 ml: is the skull stripped, the spacing in mm?" in case.notes


def test_shares_are_by_value_where_no_scheme_can_be_told(tmp_path, write_case):
    write_case(tmp_path, "a", values=(0, 1, 2))
    report = check_folder(tmp_path)
    assert report.scheme is None
    assert list(report.cases[0].shares) == ["value 0", "value 1", "value 2"]
    assert sum(report.cases[0].shares.values()) == pytest.approx(1)
    (problem,) = report.problems
    assert "the label values [0, 1, 2] fit several releases" in problem


def test_a_folder_that_may_not_be_entered_is_a_problem(case_folder, monkeypatch):
    scandir = os.scandir

    def refused(folder):
        if str(folder).endswith("case_1"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refused)
    report = check_folder(case_folder)
    assert [case.case for case in report.cases] == ["case_0", "case_2"]
    (problem,) = report.problems
    assert "case_1: cannot be entered (Permission denied)" in problem


@pytest.mark.parametrize("name", ["before", "zz after"])
def test_a_folder_that_cannot_be_looked_into_is_none_of_the_first_cases(case_folder, name):
    (case_folder / name).symlink_to(case_folder / "nowhere")
    for folder in (case_folder, os.path.relpath(case_folder)):
        with pytest.raises(CohortError, match=name):
            load_cohort(folder, cases=2)
        with pytest.warns(UserWarning, match="1 cases of .* are left out"):
            cohort = load_cohort(folder, cases=2, on_error="skip")
        assert cohort.case_ids == ("case_0", "case_1")


def test_it_needs_no_tensorflow(case_folder):
    script = (
        "import sys\n"
        "from imbalance_tf.lab.cli import main\n"
        "main(['check', sys.argv[1]], standalone_mode=False)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, case_folder], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_by_default_one_bad_case_stops_the_load_with_all_problems(bad_folder):
    with pytest.raises(CohortError) as error:
        load_cohort(bad_folder)
    assert len(error.value.problems) == 3


@pytest.mark.parametrize("cached", [False, True])
def test_bad_cases_can_be_left_out(bad_folder, tmp_path, cached):
    for _ in range(2):  # the second time from the cache
        with pytest.warns(UserWarning, match="3 cases of .* are left out"):
            cohort = load_cohort(
                bad_folder, on_error="skip", cache=tmp_path / "cache" if cached else None
            )
        assert cohort.case_ids == ("case_0", "case_4")
        assert list(cohort.left_out) == ["case_1", "case_2", "case_3"]
        assert "no segmentation" in cohort.left_out["case_1"]
        good = load_cohort(bad_folder, on_error="skip", cases=1)
        assert cohort["case_0"].digest == good["case_0"].digest


def test_a_folder_without_any_good_case_stops_all_the_same(case_folder):
    for path in case_folder.rglob("*_seg.nii.gz"):
        path.unlink()
    with pytest.raises(CohortError, match="case_2: no segmentation"):
        load_cohort(case_folder, on_error="skip")


def test_an_unknown_way_with_errors_is_refused(case_folder):
    with pytest.raises(ValueError, match="on_error='ignore'; 'raise' or 'skip' is expected"):
        load_cohort(case_folder, on_error="ignore")


def test_every_file_that_cannot_be_read_is_named(case_folder):
    for suffix in ("t1", "seg"):
        (case_folder / "case_1" / f"case_1_{suffix}.nii.gz").write_bytes(b"no scan")
    problems = check_folder(case_folder).problems
    assert [problem.split(":")[0].split("_")[-1] for problem in problems] == [
        "seg.nii.gz",
        "t1.nii.gz",
    ]


def test_scans_that_no_name_explains_are_said(case_folder):
    save(case_folder / "other" / "other_brain_T1post.nii.gz", np.zeros(SHAPE, np.float32))
    result = CliRunner().invoke(main, ["check", str(case_folder)])
    assert result.exit_code == 0
    assert "not recognised, so not read" in result.stdout
    assert "other_brain_T1post.nii.gz" in result.stdout


@pytest.mark.parametrize("end", [".mgz", ".nrrd", ".mhd", ".NII", ".dcm"])
def test_scans_of_any_kind_are_said_if_nothing_reads_them(case_folder, end):
    (case_folder / "case_9").mkdir()
    (case_folder / "case_9" / f"IM9{end}").touch()
    assert check_folder(case_folder).ignored == (f"{case_folder / 'case_9'}: IM9{end}",)


def test_a_case_with_foreign_names_among_others_in_one_folder_is_said(case_folder):
    for path in list(case_folder.rglob("*.nii.gz")):
        foreign = path.name.replace("case_1_", "case1 ")
        path.rename(case_folder / foreign)
    (case_folder / "case_2_ADC.nii.gz").touch()  # another sequence of a case is none
    report = check_folder(case_folder)
    assert [case.case for case in report.cases] == ["case_0", "case_2"]
    assert report.ignored == (
        f"{case_folder}: case1 flair.nii.gz, case1 seg.nii.gz, case1 t1.nii.gz",
    )


@pytest.mark.bad_input
def test_a_file_that_may_not_be_read_costs_its_case(case_folder, monkeypatch):
    """In a folder that may be listed, but not entered, nothing tells files from folders either."""
    closed, stat = case_folder / "case_1", os.stat

    def refused(path, *args, **kwargs):
        if isinstance(path, str | os.PathLike) and str(path).startswith(f"{closed}{os.sep}"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", refused)
    report = check_folder(case_folder)
    assert [case.case for case in report.cases] == ["case_0", "case_2"]
    assert all("case_1" in problem for problem in report.problems)
    assert "the system does not read it (Permission denied); give permission" in report.problems[0]


def test_a_link_to_nowhere_is_a_problem(case_folder):
    (case_folder / "case_1" / "case_1_t1.nii.gz").unlink()
    (case_folder / "case_1" / "case_1_t1.nii.gz").symlink_to("moved_away")
    (problem,) = check_folder(case_folder).problems
    assert "case_1_t1.nii.gz: a link to moved_away, which is not there; fetch that file" in problem


def test_all_cases_together_are_those_of_the_cohort(bad_folder):
    report = check_folder(bad_folder)
    with pytest.warns(UserWarning, match="3 cases"):
        cohort = load_cohort(bad_folder, on_error="skip")
    expected = characteristics(cohort)
    assert list(report.together) == [*cohort.scheme.classes, *cohort.scheme.regions]
    for name, found in report.together.items():
        assert found == pytest.approx(dict(expected.loc[name]))
    result = CliRunner().invoke(main, ["check", str(bad_folder)])
    whole = expected.loc["whole"]
    line = f"whole: {100 * whole['share']:.3g} % of all voxels, in 2 of 2 cases; {whole['sd']:.2f}"
    assert f"{line} sd from healthy" in result.stdout


@pytest.mark.bad_input
def test_a_folder_that_may_be_listed_but_not_entered_costs_its_case(case_folder):
    case = case_folder / "case_1"
    (case / "LICENSE").touch()
    case.chmod(0o444)
    try:
        if os.access(case / "LICENSE", os.F_OK):
            pytest.skip("this user may enter any folder")
        report = check_folder(case_folder)
    finally:
        case.chmod(0o755)
    assert [each.case for each in report.cases] == ["case_0", "case_2"]
    assert all("give permission to read it" in problem for problem in report.problems)
