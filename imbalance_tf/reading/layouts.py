"""Layouts: how each release names its files, and what its label values can mean."""

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imbalance_tf.cohort.arguments import expect
from imbalance_tf.cohort.disk import text_of
from imbalance_tf.cohort.errors import CohortError
from imbalance_tf.cohort.labels import SCHEMES, LabelScheme
from imbalance_tf.cohort.names import expect_name


@dataclass(frozen=True, eq=False)
class Layout:
    """How a release names its files.

    Parameters
    ----------
    name : str
    looks_like : str
        The file names, for messages.
    path : re.Pattern
        Matches the end of the path of every file of a case; the group ``role`` is what the file
        holds, ``case`` the name that all files of a case share.
    roles : mapping of str to str
        The modality, or ``"labels"``, that each `role` (a pattern, in small letters) stands for,
        where that is another word.
    scheme_of : callable
        The one scheme that the label values of all cases allow; ValueError if there are several.
    channels : tuple of str, optional
        The modalities that one 4-D file holds, in order.
    by_name : bool
        Whether the name alone tells a case, whose files lie in several folders.
    """

    name: str
    looks_like: str
    path: re.Pattern
    roles: Mapping[str, str]
    scheme_of: Callable[[Sequence[Collection[int]]], LabelScheme]
    channels: tuple[str, ...] = ()
    by_name: bool = False

    def match(self, path: Path) -> tuple[str, str] | None:
        """Case and role of a path; None if it does not follow this layout."""
        found = self.path.search(path.absolute().as_posix())
        if not found:
            return None
        role = (found["role"] or "labels").lower()
        meanings = (name for words, name in self.roles.items() if re.fullmatch(words, role))
        return found["case"], next(meanings, role)

    def place(self, path: Path, folder: Path) -> Path:
        """The folder of the case; all of `folder` if the name alone tells the cases."""
        if self.by_name:
            return folder
        # BraTS 2013, and some unpackers, put each file in its own folder: A/A_t1.nii/A_t1.nii
        parent = path.absolute().parent
        inner = parent.name.startswith(("VSD.", "SMIR.")) or parent.name.lower().endswith(
            (".nii", ".nii.gz")
        )
        return path.parent.parent if inner else path.parent


def undecided(
    cases: Sequence[Collection[int]], names: Iterable[str] = tuple(SCHEMES)
) -> LabelScheme:
    """For files that several schemes fit: the ValueError that asks the person to choose."""
    raise ValueError(
        f"the label values {sorted(set().union(*cases))} fit several releases; say which one it is "
        f"with scheme=... (command line: --scheme), one of {', '.join(names)}, or a .toml file"
    )


def _only(name: str) -> Callable[[Sequence[Collection[int]]], LabelScheme]:
    return lambda cases: SCHEMES[name]


def _is_slip(found: int, cases: Sequence) -> bool:
    """Whether a value that is in so few of the cases is no class, but what is wrong with these."""
    return found < 0.05 * len(cases) or not found


def _by_values(cases: Sequence[Collection[int]]) -> LabelScheme:
    # 3 and 4 in one case: BraTS 2013 or 2015, or the embedded cohort. 4 without any 3: BraTS 2017
    # to 2021, which merged 3 into 1. 3 and 4 only in different cases may be two releases, and 3
    # without any 4 may be enhancing tumour (2023) or not (2013).
    with_4 = [values for values in cases if 4 in values]
    both = sum(3 in values for values in with_4)
    if not _is_slip(both, with_4):
        return SCHEMES["brats2013"]
    if with_4 and not any(3 in values and 4 not in values for values in cases):
        return SCHEMES["brats2017"]
    return undecided(cases)


def _by_values_since_2023(cases: Sequence[Collection[int]]) -> LabelScheme:
    if _is_slip(sum(4 in values for values in cases), cases):
        return SCHEMES["brats2023"]
    if any({3, 4} <= set(values) for values in cases):
        return SCHEMES["brats2024"]
    # Either 2024, and no case has both enhancing tumour and a cavity, or 2017 under new names.
    return undecided(cases, ("brats2017", "brats2024"))


def _numbered_anew(cases: Sequence[Collection[int]]) -> LabelScheme:
    raise ValueError(
        f"each dataset numbers its classes anew, here {sorted(set().union(*cases))}; "
        f"dataset.json says what they are; say it with scheme=... (command line: --scheme), one of "
        f"{', '.join(SCHEMES)}, or a .toml file"
    )


# A browser or a desktop adds " (1)" to the name of a copy.
_NIFTI = r"( ?\(\d+\))?(?i:\.(nii|img)( ?\(\d+\))?(\.gz|\.bz2)?)$"

BRATS = (
    Layout(
        name="BraTS 2012",
        looks_like="<case>_{T1,T1C,T2,FLAIR,truth}.mha",
        path=re.compile(r"(?P<case>[^/]+)_(?P<role>t1|t1c|t2|flair|truth)\.mha$", re.I),
        roles={"truth": "labels"},
        scheme_of=_only("brats2012"),
    ),
    Layout(
        name="BraTS 2013 and 2015",
        looks_like="<case>/VSD.Brain.XX.O.{MR_T1,MR_T1c,MR_T2,MR_Flair,OT}.<id>/*.mha",
        path=re.compile(
            r"(?P<case>[^/]+)(/(VSD|SMIR)[^/]+)?/(VSD|SMIR)\.[^/]*\.(?P<role>mr_t1|mr_t1c|mr_t2|mr_flair|ot)"
            r"\.[^/]*mha$",
            re.I,
        ),
        roles={"mr_t1": "t1", "mr_t1c": "t1c", "mr_t2": "t2", "mr_flair": "flair", "ot": "labels"},
        scheme_of=_only("brats2013"),
    ),
    Layout(
        name="BraTS 2017 to 2021",
        looks_like="<case>_{t1,t1ce,t2,flair,seg}.nii.gz",
        path=re.compile(
            r"(?P<case>[^/]*)[_-](?P<role>t1|t1ce|t1c|t1gd|t2|flair|segm?)" + _NIFTI, re.I
        ),
        roles={"t1ce|t1gd": "t1c", "segm?": "labels"},
        scheme_of=_by_values,
    ),
    Layout(
        name="BraTS since 2023",
        looks_like="<case>-{t1n,t1c,t2w,t2f,seg}.nii.gz",
        path=re.compile(r"(?P<case>[^/]*)[_-](?P<role>t1n|t1c|t2w|t2f|seg)" + _NIFTI, re.I),
        roles={"t1n": "t1", "t2w": "t2", "t2f": "flair", "seg": "labels"},
        scheme_of=_by_values_since_2023,
    ),
    Layout(
        name="Medical Segmentation Decathlon, Task 1",
        looks_like="imagesTr/<case>.nii.gz, labelsTr/<case>.nii.gz",
        path=re.compile(r"(?P<role>imagesTr|labelsTr)/(?P<case>[^/]+?)" + _NIFTI),
        roles={"imagestr": "images", "labelstr": "labels"},
        scheme_of=_only("decathlon"),
        channels=("flair", "t1", "t1c", "t2"),
        by_name=True,
    ),
)
"""BraTS, and what is made of it."""

NNUNET = Layout(
    name="nnU-Net",
    looks_like="imagesTr/<case>_0000.nii.gz, labelsTr/<case>.nii.gz",
    # The number of a channel, whose name is in dataset.json.
    path=re.compile(
        r"((?P<image>imagesTr)|labelsTr)/(?P<case>[^/]+?)(?(image)_(?P<role>\d{4}))" + _NIFTI
    ),
    roles={},
    scheme_of=_numbered_anew,
    by_name=True,
)
LAYOUTS = (
    *BRATS,
    NNUNET,
    Layout(
        name="UCSF-PDGM",
        looks_like="<case>_{T1,T1c,T2,FLAIR,tumor_segmentation}.nii.gz",
        path=re.compile(
            r"(?P<case>UCSF-PDGM-[^/]*)_(?P<role>t1|t1c|t2|flair|tumor_segmentation)" + _NIFTI, re.I
        ),
        roles={"tumor_segmentation": "labels"},
        scheme_of=_by_values,
    ),
    Layout(
        name="UPENN-GBM",
        looks_like="<case>_{T1,T1GD,T2,FLAIR,segm}.nii.gz",
        path=re.compile(
            r"(?P<case>UPENN-GBM-\d+_\d+)_(?P<role>t1|t1gd|t2|flair|segm)" + _NIFTI, re.I
        ),
        roles={"t1gd": "t1c", "segm": "labels"},
        scheme_of=_by_values,
        by_name=True,
    ),
    Layout(
        name="BIDS",
        looks_like="sub-<case>/anat/sub-<case>_{T1w,ce-<agent>_T1w,T2w,FLAIR,dseg}.nii.gz",
        path=re.compile(
            r"/anat/(?P<case>sub-[^/_]+(_ses-[^/_]+)?)(_(?!ce-)[a-z]+-[^/_]+)*"
            r"_(?P<role>(ce-[^/]+_)?T1w|T2w|FLAIR|dseg)" + _NIFTI
        ),
        roles={"t1w": "t1", "ce-.*t1w": "t1c", "t2w": "t2", "dseg": "labels"},
        scheme_of=_by_values,
        by_name=True,
    ),
)
"""Every layout; those after BRATS only where none of BRATS makes a case, as they share names."""

PATTERNS = Layout("file name patterns", "", re.compile(r"(?!)"), {}, _by_values)
"""For a person's own patterns: file names that tell nothing, so that the values must decide."""

_MODALITIES = {
    **dict.fromkeys(("t1", "t1w", "t1n"), "t1"),
    **dict.fromkeys(("t1c", "t1ce", "t1gd", "t1wce"), "t1c"),
    **dict.fromkeys(("t2", "t2w"), "t2"),
    **dict.fromkeys(("flair", "t2f", "t2flair"), "flair"),
}


_TASK_1 = {"1": "edema", "2": "non.?enhancing|necro", "3": "^(?!non).*enhancing"}  # its classes


def as_said(layout: Layout, paths: Iterable[Path]) -> Layout:
    """A layout with what dataset.json says, if there is one: the order of the channels of 4-D
    files, and whether the classes are those of Task 1; if not, the person is asked for a scheme."""
    in_4d = bool(layout.channels)
    if not in_4d and layout is not NNUNET:
        return layout
    are_task_1 = True
    orders: dict[tuple[str, ...], Path] = {}  # of the channels of 4-D files
    datasets = {path.absolute().parent.parent for path in paths if layout.match(path)}
    for dataset in sorted(datasets):
        channels, classes = said_of(dataset)
        orders[tuple(channels[key] for key in sorted(channels)) or layout.channels] = dataset
        named = all(re.search(_TASK_1.get(key, ""), name, re.I) for key, name in classes.items())
        # In 4-D files they are those of Task 1 also if nothing is said.
        are_task_1 &= named and (in_4d or classes.keys() - {"0"} == _TASK_1.keys())
    if in_4d and len(orders) > 1:
        found = "; ".join(f"{', '.join(order)} in {dataset}" for order, dataset in orders.items())
        raise CohortError(
            os.path.commonpath(datasets),
            [f"datasets whose files hold other channels: {found}; give one of them at a time"],
        )
    layout = replace(layout, channels=next(iter(orders), layout.channels)) if in_4d else layout
    return replace(layout, scheme_of=_only("decathlon") if are_task_1 else _numbered_anew)


def said_of(dataset: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What dataset.json says: the modality of each channel ("0000"), the name of each class ("1").

    There are no channels without that file. If it has one name for several of them (it says how
    they are normalised), the numbers are the names.
    """
    path = dataset / "dataset.json"
    if not os.path.lexists(path):
        return {}, {}
    try:
        said = json.loads(text_of(path))
        # Version 2, or 1.
        channels = said["channel_names"] if "channel_names" in said else said["modality"]
        for name in channels.values():
            expect_name(name, "a channel")
            expect(name not in ("labels", "brain"), "another name", channel=name)
        names = {f"{int(number):04}": name for number, name in channels.items()}
        labels = said.get("labels")
        # Number and name; in version 2 the other way round.
        labels = labels if isinstance(labels, dict) else {}
        pairs = (pair if pair[0].isdecimal() else pair[::-1] for pair in labels.items())
        classes = {str(number): str(name) for number, name in pairs}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CohortError(
            dataset,
            [
                f"{path}: names no channels ({type(error).__name__}: {error}); "
                f'"channel_names": {{"0": "FLAIR", ...}} is expected'
            ],
        ) from error
    plain = {number: re.sub(r"[^a-z0-9]", "", name.lower()) for number, name in names.items()}
    names = {number: _MODALITIES.get(plain[number], name) for number, name in names.items()}
    return names if len(set(names.values())) == len(names) else {n: n for n in names}, classes
