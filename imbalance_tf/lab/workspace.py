"""open_lab: with which every notebook starts: a cohort, its split, and the runs on it."""

import errno
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from imbalance_tf.cohort.arguments import expect, one_of, seed_of, whole
from imbalance_tf.cohort.cohort import Cohort
from imbalance_tf.cohort.disk import expanded, nearest_folder
from imbalance_tf.cohort.errors import CohortError
from imbalance_tf.cohort.names import shown
from imbalance_tf.phantom.writing import write_phantom_cohort
from imbalance_tf.reading.examining import scheme_asked
from imbalance_tf.reading.loading import load_cohort
from imbalance_tf.training.arms import Arm, TwoStage, changed
from imbalance_tf.training.config import ExperimentConfig
from imbalance_tf.training.experiment import run_experiment, run_folder
from imbalance_tf.training.result import ExperimentResult
from imbalance_tf.training.studies import Study, study_named
from imbalance_tf.training.study_run import run_study

from .profiles import TEST_SHARE, Profile, fastest_precision, profile_named

__all__ = ["Lab", "open_lab"]


@dataclass(frozen=True, eq=False)
class Lab:
    """A cohort split for the experiment, and where its runs are kept.

    Attributes
    ----------
    profile : Profile
    seed : int
        Of the embedded cohort, the split, and every run.
    out : Path
    train, test : Cohort
    opener : function, optional
        Opens all cases, also in another process.
    """

    profile: Profile
    seed: int
    out: Path
    train: Cohort
    test: Cohort
    opener: Callable[[], Cohort] | None = None

    @property
    def synthetic(self) -> bool:
        """Whether all cases were made by `write_phantom_cohort`, as their scans say."""
        return all(case.synthetic for case in self.cohort)

    @property
    def origin(self) -> str:
        """What the cases are, for people: all synthetic, all real, or how many of each."""
        made = sum(case.synthetic for case in self.cohort)
        if 0 < made < len(self.cohort):
            return f"{made} synthetic and {len(self.cohort) - made} real"
        return "all synthetic" if made else "all real"

    def config(self, arm: str | Arm | TwoStage, **changes: Any) -> ExperimentConfig:
        """The config of an arm in this profile, in the precision that is fastest here."""
        return ExperimentConfig(
            arm=changed(arm, **changes),
            epochs=self.profile.epochs,
            steps=self.profile.steps,
            batch_size=self.profile.batch_size,
            patch_size=self.profile.patch_size,
            threshold=self.profile.threshold,
            candidates_per_class=self.profile.candidates_per_class,
            precision=fastest_precision(),
            seed=self.seed,
        )

    def sampler(self, arm: str | Arm) -> Any:
        """A new sampler of the batches of an arm, over the training cohort."""
        from imbalance_tf.training.run import Prepared  # all else needs no TensorFlow

        config = self.config(arm)
        expect(isinstance(config.arm, Arm), "an arm with one classifier", arm=arm)
        return Prepared(config.trainings()[0].chain[0], self.train).sampler

    def run(
        self, arm: str | Arm | TwoStage, *, seed: int | None = None, **changes: Any
    ) -> ExperimentResult:
        """Train, segment and score with an arm; or read the result if it is there.

        Parameters
        ----------
        arm : Arm, TwoStage, or the name of one of `ARMS`
        seed : int, optional
            Of the training; by default that of the lab.
        **changes
            Settings of the arm or of its parts, such as ``shares=0.6`` or ``threshold=0.9``.
        """
        seed = self.seed if seed is None else seed
        config = replace(self.config(arm, **changes), seed=seed)
        asked = config, self.train, self.test, self.out / "runs"
        if (folder := run_folder(*asked)).exists():
            name = shown(config.arm.name)
            print(f"{name}: read, not trained again (runs/{folder.parent.name})")
        with _resumable():
            return run_experiment(*asked)

    def run_folder(self, arm: str | Arm | TwoStage) -> Path:
        """Where the scores of an arm are, or will be."""
        return run_folder(self.config(arm), self.train, self.test, self.out / "runs")

    @property
    def cohort(self) -> Cohort:
        """All cases, in the order of their names."""
        return replace(self.train, cases=sorted([*self.train, *self.test], key=lambda c: c.id))

    def study(self, study: str | Study, *, client: Any = None, **changes: Any) -> pd.DataFrame:
        """The table of a study on all cases, after training what is missing: see `run_study`.

        Parameters
        ----------
        study : Study, or the name of one of `STUDIES`
            A study of several embedded cohorts has their names in the column ``cohort``.
        client : distributed.Client, optional
            Its workers open the cohort in ``out`` themselves.
        **changes
            Settings of the study, such as ``seeds=3``.
        """
        like = self.config("balanced")
        study = replace(study_named(study), **changes).fitted(len(self.cohort))
        if study.cohorts is None:
            cohort = self.opener if client and self.opener else self.cohort
            with _resumable():
                return run_study(study, cohort, self.out, client, like=like)
        if not self.synthetic or getattr(self.opener, "func", None) is _read:  # data= was given
            raise ValueError(f"study '{study.name}' is about embedded cohorts; leave data= out")
        tables = []
        for number, (name, settings) in enumerate(study.cohorts.items(), start=1):
            print(f"cohort {number} of {len(study.cohorts)}: {name}", flush=True)
            opener = partial(_embedded_cohort, self.profile, self.seed, self.out, **settings)
            with _resumable():
                cohort = opener if client else opener()
                table = run_study(study, cohort, self.out, client, like=like)
            tables.append(table.assign(cohort=name))
        return pd.concat(tables, ignore_index=True)


def open_lab(
    profile: str = "lab",
    *,
    data: str | Path = "",
    out: str | Path = "",
    seed: int = 0,
    files: Mapping[str, str] | None = None,
    scheme: str = "auto",
    on_error: Literal["raise", "skip"] = "raise",
    cases: int | None = None,
    test_cases: int | None = None,
) -> Lab:
    """Read the cohort and split it. The embedded one is written first if it is missing.

    Parameters
    ----------
    profile : {"smoke", "lab", "evening", "paper"}
    data : path, optional
        A folder of real cases; by default the embedded cohort, in ``<out>/phantom-...``.
    out : path, optional
        Where results are kept; by default ``results/<profile>``.
    seed : int
    files, scheme, on_error, cases
        As in `load_cohort`; its cache is ``<out>/cache``. 0 cases means all, too.
    test_cases : int, optional
        Number of cases to test on; by default, and for 0, three in ten.

    Raises
    ------
    CohortError
        With every problem of the folder; also if it has only one case, or if no training case has
        one of the classes.
    ValueError
        If `profile` or `scheme` is unknown, `files` comes without `data`, or another argument is
        wrong.
    OSError
        If there is no such folder.
    """
    chosen, seed = profile_named(profile), seed_of(seed)
    cases, test_cases = (
        whole(0, **{name: 0 if count is None else count})
        for name, count in {"cases": cases, "test_cases": test_cases}.items()
    )
    one_of("raise", "skip", on_error=on_error)
    expect(isinstance(files, Mapping | None), "a mapping of roles to patterns", files=files)
    out = expanded(out=out or Path("results") / chosen.name).resolve()
    own = "for a folder of your own; give that as data= (command line: --data)"
    if files and not data:
        raise ValueError(f"files= is {own}")
    if cases and not data:
        raise ValueError(
            f"cases={cases}, but the embedded cohort has as many as its profile says; it is {own}"
        )
    nearest_folder(out, "give another: --out, out=")
    folder = expanded(data=data).absolute() if data else _embedded_folder(chosen, seed, out)
    scheme_asked(folder, scheme)  # before a cohort is written for nothing
    if data:
        how = {"scheme": scheme, "files": files or None, "on_error": on_error}
        opener = partial(_read, folder, out, **how, cases=cases or None)
    else:
        opener = partial(_embedded_cohort, chosen, seed, out)
    train, test = _split(opener(), folder, seed, test_cases)
    return Lab(chosen, seed, out, train, test, opener)


@contextmanager
def _resumable() -> Iterator[None]:
    """Says to whom interrupts what is trained that nothing is lost but the epoch at hand."""
    try:
        yield
    except KeyboardInterrupt:
        print("Interrupted. Run it again, and it goes on after the last finished epoch.")
        raise


def _embedded_folder(profile: Profile, seed: int, out: Path, **settings: float) -> Path:
    """Named by its settings, so that another seed gives another cohort."""
    cases = settings.pop("cases", profile.cases)
    others = "".join(f"-{name}{value:g}" for name, value in settings.items())
    return out / f"phantom-{cases}x{profile.slice_thickness}mm-seed{seed}{others}"


def _embedded_cohort(profile: Profile, seed: int, out: Path, **settings: Any) -> Cohort:
    """The embedded cohort of a profile, or with other settings of `write_phantom_cohort`."""
    folder = _embedded_folder(profile, seed, out, **settings)
    asked = {"cases": profile.cases, "slice_thickness": profile.slice_thickness, **settings}
    missing = asked["cases"] - len(list(folder.glob("phantom_*")))
    if missing > 0:
        print(f"Making {missing} synthetic cases, which takes a while, and only once: {folder}")
    write_phantom_cohort(folder, seed=seed, **asked)
    try:
        cohort = _read(folder, out)
        names = (f"phantom_{number:03d}" for number in range(asked["cases"]))
        if lost := [f"{name}: holds no scans" for name in names if name not in cohort]:
            raise CohortError(folder, lost)
    except CohortError as error:
        again = "delete what is damaged here of a case, file or folder, and it is made again"
        raise CohortError(folder, [*error.problems, again]) from error
    return cohort


def _read(folder: Path, out: Path, **options: Any) -> Cohort:
    """The cohort of a folder, with its cache in `out`; or in memory, if that is only to be read.

    So the results that a teacher shares can be opened: a cache that was copied is not up to date.
    """
    try:
        return load_cohort(folder, cache=out / "cache", **options)
    except OSError as error:
        why = error.__cause__
        if not isinstance(why, OSError) or why.errno not in (
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
        ):
            raise
        warnings.warn(
            f"{out} cannot be written: the cases are read anew and stay in memory, and what is not "
            f"trained yet cannot be; give another folder as out= to train",
            stacklevel=2,
        )
        return load_cohort(folder, **options)


def _split(
    cohort: Cohort, folder: Path, seed: int, test_cases: int | None
) -> tuple[Cohort, Cohort]:
    """Training and test cohort; CohortError if no experiment can be made of them."""
    cases = len(cohort)
    if cases < 2:
        raise CohortError(
            folder, ["one case only; at least two are needed, one to train and one to test on"]
        )
    train, test = cohort.split(
        test_cases=test_cases or max(1, round(TEST_SHARE * cases)), seed=seed
    )
    counts = train.class_counts().sum(axis=0)
    if absent := [
        f"class '{name}' is in none of the {len(train)} training cases "
        f"({', '.join(train.case_ids)}), so no balanced batch can be made; add a case that has "
        f"it, or choose another seed for the split"
        for name, count in zip(cohort.scheme.classes, counts, strict=True)
        if count == 0
    ]:
        raise CohortError(folder, absent)
    return train, test
