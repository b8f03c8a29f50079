"""Arm: one way to train and decide, as data; and the arms that this project compares."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args, get_type_hints

from imbalance_tf.cohort.arguments import (
    candidates_of,
    expect,
    is_number,
    one_of,
    probability,
    settle,
)

from .batches import Balanced, Mixed, Random, Sampling, Smote
from .decisions import Argmax, Decision, Finish, NaturalHead, PriorCorrected
from .folder import refusing
from .losses import CrossEntropy, DiceCrossEntropy, Focal, LogitAdjusted, Loss
from .networks import Network, PatchCNN, UNet
from .parts import Part, absent_methods, rebuilt


@dataclass(frozen=True)
class Mining(Part):
    """Find the hard examples of each class between epochs: see `HardExampleMining`.

    Parameters
    ----------
    threshold : float, optional
        A patch that is classified correctly, but with a smaller probability, is hard too; 0: only
        the misclassified are hard. By default that of the profile (paper: 0.75).
    classes : {"all", "majority", "minorities"}
        Which are mined. The majority alone is the hard negative mining of Felzenszwalb et al.
    candidates : int, optional
        Size of the random subset of each class; by default that of the profile.

    Examples
    --------
    >>> Arm("hard negatives", mining=Mining(classes="majority")).mining.threshold is None
    True
    """

    threshold: float | None = None
    classes: str = "all"
    candidates: int | None = None

    def __post_init__(self):
        one_of("all", "majority", "minorities", classes=self.classes)
        if self.threshold is not None:
            settle(self, threshold=probability(threshold=self.threshold))
        if self.candidates is not None:
            settle(self, candidates=candidates_of(candidates=self.candidates))


@dataclass(frozen=True)
class Arm(Part):
    """One way to train and decide. By default it is the paper's balanced sampling.

    Parameters
    ----------
    name : str
        For people: two arms that differ in nothing but their names are the same training.
    sampling : Sampling
        `Random`, `Balanced`, `Mixed` or `Smote`.
    mining : Mining, optional
    loss : Loss
        `CrossEntropy`, `Focal`, `LogitAdjusted` or `DiceCrossEntropy`.
    network : Network
        `PatchCNN` or `UNet`.
    finish : Finish, optional
        `NaturalHead`.
    decision : Decision
        `Argmax` or `PriorCorrected`.

    Raises
    ------
    ValueError
        If two fields cannot be combined.

    Examples
    --------
    >>> Arm("mine", sampling=Balanced(shares=0.6), mining=Mining(threshold=0.9)).mining.threshold
    0.9
    >>> Arm("impossible", sampling=Random(), mining=Mining())
    Traceback (most recent call last):
    ValueError: arm 'impossible': Mining cannot be combined with Random; ...
    """

    name: str
    sampling: Sampling = Balanced()
    mining: Mining | None = None
    loss: Loss = CrossEntropy()
    network: Network = PatchCNN()
    finish: Finish | None = None
    decision: Decision = Argmax()

    def __post_init__(self):
        for name, kind in get_type_hints(Arm).items():
            if not isinstance(part := getattr(self, name), kind):
                kinds = [each.__name__ for each in get_args(kind) or [kind]]
                expected = " or ".join(kinds).replace("NoneType", "None")
                raise TypeError(
                    f"arm '{self.name}': {name}={part!r}; {expected} is expected, as in ARMS"
                )
        sampling, mining, loss = self.sampling, self.mining, self.loss
        network, decision = self.network, self.decision
        maps = network.target == "patch"
        no_pool = "it has no shares of voxels that mining could choose; take Balanced() or Mixed()"
        of_centres = "the shares of a batch are those of the patches' centres, not of all voxels"
        for clash, part, other, why in (
            (mining and not sampling.has_pool, mining, sampling, no_pool),
            (mining and maps, mining, network, "only patch classifiers are mined with"),
            (maps and not sampling.has_maps, network, sampling, "its patches have no label maps"),
            (loss.needs_maps and not maps, loss, network, "it is a loss of maps; take UNet()"),
            (loss.needs_shares and maps, loss, network, of_centres),
            (decision.needs_shares and maps, decision, network, of_centres),
        ):
            if clash:
                raise ValueError(
                    f"arm '{self.name}': {type(part).__name__} cannot be combined with "
                    f"{type(other).__name__}; {why}"
                )


@dataclass(frozen=True)
class TwoStage(Part):
    """Two classifiers, one after the other (paper, section VIII): healthy or not; which kind.

    Parameters
    ----------
    name : str
    first : Arm
        Tells healthy tissue from all other.
    second : Arm
        Tells the other classes apart. It is trained on them alone, and asked only where the first
        predicts that tissue is not healthy.
    budget : float
        Batches that each of the two is trained on, as a share of those of one ordinary training.

    Examples
    --------
    >>> TwoStage("half each", first=Arm("healthy?"), second=Arm("kind?")).budget
    0.5
    """

    name: str
    first: Arm = Arm("healthy or not")
    second: Arm = Arm("which kind")
    budget: float = 0.5

    def __post_init__(self):
        if not isinstance(self.name, str):
            raise TypeError(f"arm '{self.name}': name={self.name!r}; str is expected")
        if not is_number(self.budget) or not 0 < self.budget <= 1:
            raise ValueError(
                f"arm '{self.name}': budget={self.budget!r}; above 0 and at most 1 is expected"
            )
        for stage in ("first", "second"):
            if not isinstance(arm := getattr(self, stage), Arm):
                raise TypeError(
                    f"arm '{self.name}': {stage}={arm!r}; an Arm is expected, as in ARMS"
                )
            if arm.mining or arm.finish or arm.network.target == "patch":
                raise ValueError(
                    f"arm '{self.name}': '{arm.name}' mines, has a finish or predicts maps; a "
                    f"classifier of patches that is trained once is expected"
                )


def _arms() -> tuple[Arm | TwoStage, ...]:
    half = Balanced(shares=0.5, minorities="natural")
    minorities = Mining(classes="minorities")
    third, unet = Mixed(foreground=1 / 3), UNet()
    return (
        # The paper's own: sections IV, VI and VII.
        Arm("random", sampling=Random()),
        Arm("balanced"),
        Arm("hard", mining=Mining()),
        # What it leaves open (section VIII): what is hard, and how much healthy tissue.
        *(Arm(f"hard {limit:g}", mining=Mining(threshold=limit)) for limit in (0, 0.5, 0.9, 0.99)),
        Arm("half healthy", sampling=half),
        Arm("half healthy, mined", sampling=half, mining=minorities),
        *(
            Arm(f"majority {share:.0%}", sampling=Balanced(shares=share))
            for share in (0.5, 0.8, 0.9)
        ),
        Arm("by case", sampling=Balanced(within="case")),
        TwoStage("two classifiers"),
        TwoStage("two classifiers, twice the budget", budget=1.0),
        # What others do (section II, and the field since).
        Arm("hard negatives", mining=Mining(classes="majority")),  # Felzenszwalb et al. 2010
        Arm("a third", sampling=third),  # nnU-Net, Isensee et al. 2021
        Arm("weighted loss", sampling=Random(), loss=CrossEntropy(weights="inverse")),
        Arm("focal loss", sampling=Random(), loss=Focal()),  # Lin et al. 2017
        Arm("logit-adjusted loss", sampling=Random(), loss=LogitAdjusted()),  # Menon et al. 2021
        Arm("SMOTE", sampling=Smote()),  # Chawla et al. 2002
        Arm("balanced, priors corrected", decision=PriorCorrected()),  # Buda et al. 2018
        Arm("hard, priors corrected", mining=Mining(), decision=PriorCorrected()),
        Arm("balanced, natural head", finish=NaturalHead()),  # Havaei et al. 2017
        # The same question asked of a network that predicts maps (Ronneberger et al. 2015).
        Arm("U-Net, random", sampling=Random(), network=unet),
        Arm("U-Net, balanced", network=unet),
        Arm("U-Net, a third", sampling=third, network=unet),
        Arm("U-Net, random, Dice loss", sampling=Random(), network=unet, loss=DiceCrossEntropy()),
        Arm("U-Net, balanced, Dice loss", network=unet, loss=DiceCrossEntropy()),
        Arm("U-Net, a third, Dice loss", sampling=third, network=unet, loss=DiceCrossEntropy()),
    )


ARMS: Mapping[str, Arm | TwoStage] = {arm.name: arm for arm in _arms()}
"""The arms that this project compares, by name. Only the studies and the paper's claims use the
names."""

PAPER_ARMS = ("random", "balanced", "hard")
"""What the paper compares."""


def arm_named(arm: "str | Arm | TwoStage") -> Arm | TwoStage:
    """The arm of this name, or the arm itself; ValueError with the known names if unknown."""
    if isinstance(arm, Arm | TwoStage):
        return arm
    known = isinstance(arm, str) and arm in ARMS
    expect(known, f"an Arm, or one of {', '.join(map(repr, ARMS))},", arm=arm)
    return ARMS[arm]


def expect_finished(arm: Arm | TwoStage) -> None:
    """ValueError if a part of an arm lacks a method without which it cannot be trained, or could
    not be made again when its run is read."""
    for part in vars(arm).values():
        if isinstance(part, Arm):
            expect_finished(part)
            continue
        if missing := absent_methods(type(part)):
            kind = next(base for base in type(part).__mro__ if missing[0] in vars(base))
            raise ValueError(
                f"arm '{arm.name}': {type(part).__name__} gives no {', '.join(missing)}; "
                f"{kind.__name__} says what is expected"
            )
        if isinstance(part, Part):
            described = json.loads(json.dumps(part.described()))
            way_out = (
                "a dataclass is expected that keeps its settings as they were given, as numbers, "
                "text, parts and tuples; what follows from them is computed in a property"
            )
            what = f"arm '{arm.name}': {type(part).__name__} is not the same again from {described}"
            with refusing(ValueError, what, way_out):
                again = json.loads(json.dumps(rebuilt(described).described()))
                if again != described:
                    raise ValueError(f"it has {again}")


def changed(arm: "str | Arm | TwoStage", **changes: Any) -> Arm | TwoStage:
    """An arm with other settings of its own or of its parts.

    Raises
    ------
    ValueError
        If neither the arm nor a part of it has such a setting, or several parts have.

    Examples
    --------
    >>> changed("hard", threshold=0.6).mining
    Mining(threshold=0.6, classes='all', candidates=None)
    """
    arm = arm_named(arm)
    for name, value in changes.items():
        parts = vars(arm)
        held = {key: part for key, part in parts.items() if isinstance(part, Part)}
        owners = [key for key, part in held.items() if name in vars(part)]
        if name not in parts and len(owners) > 1:
            raise ValueError(
                f"{name}={value!r}; arm '{arm.name}' has that in {' and '.join(owners)}; give one "
                f"of them whole: {owners[0]}={type(held[owners[0]]).__name__}({name}=..., ...)"
            )
        if name not in parts and not owners:
            known = [*parts, *(key for part in held.values() for key in vars(part))]
            raise ValueError(
                f"{name}={value!r}; arm '{arm.name}' has no such setting; it has "
                f"{', '.join(dict.fromkeys(known))}"
            )
        if name not in parts:
            name, value = owners[0], replace(parts[owners[0]], **{name: value})
        arm = replace(arm, **{name: value})
    return arm
