"""Arm: one way to train and decide, as data; and the arms that this project compares."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .batches import Balanced, Mixed, Random, Sampling, Smote
from .decisions import Argmax, Decision, Finish, NaturalHead, PriorCorrected
from .losses import CrossEntropy, DiceCrossEntropy, Focal, LogitAdjusted, Loss
from .networks import Network, PatchCNN, UNet
from .parts import Part

__all__ = ["ARMS", "PAPER_ARMS", "Arm", "Mining", "TwoStage", "arm_named", "changed"]


@dataclass(frozen=True)
class Mining(Part):
    """Between epochs the hard examples of each class are found: see `HardExampleMining`.

    Parameters
    ----------
    threshold : float, optional
        What is right with a smaller probability is hard; by default that of the profile, which is
        the paper's 0.75. With 0 only the wrong is hard.
    classes : {"all", "majority", "minorities"}
        Which are mined. The majority alone is the hard negative mining of Felzenszwalb et al.
    candidates : int, optional
        Size of the random subset of each class; by default that of the profile.
    """

    threshold: float | None = None
    classes: str = "all"
    candidates: int | None = None

    def __post_init__(self):
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold}; a probability from 0 to 1 is expected")
        if self.classes not in ("all", "majority", "minorities"):
            raise ValueError(
                f"classes={self.classes!r}; 'all', 'majority' or 'minorities' is expected"
            )
        if self.candidates is not None and self.candidates < 1:
            raise ValueError(f"candidates={self.candidates}; at least 1 is expected")


@dataclass(frozen=True)
class Arm(Part):
    """One way to train and decide. What two arms differ in is a field; the defaults are the paper's
    balanced sampling.

    Parameters
    ----------
    name : str
        For people: two arms that differ in nothing else are the same training.
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
        for field, kind in {
            "sampling": Sampling,
            "mining": Mining | None,
            "loss": Loss,
            "network": Network,
            "finish": Finish | None,
            "decision": Decision,
        }.items():
            if not isinstance(value := getattr(self, field), kind):
                raise TypeError(
                    f"arm '{self.name}': {field}={value!r}; a {kind} is expected, such as those "
                    f"of ARMS"
                )
        maps = self.network.target == "patch"
        weighted = self.loss.described().get("weights") is not None
        for wrong, one, other, why in (
            (
                self.mining and not self.sampling.has_pool,
                self.mining,
                self.sampling,
                "mining chooses the voxels of a class's share of the batch, and it has no shares "
                "of voxels; take Balanced() or Mixed()",
            ),
            (self.mining and maps, self.mining, self.network, "only patch classifiers are mined"),
            (
                maps and not self.sampling.has_maps,
                self.network,
                self.sampling,
                "a synthetic patch has no label of each voxel",
            ),
            (
                self.loss.needs_maps and not maps,
                self.loss,
                self.network,
                "it is a loss of maps; take UNet()",
            ),
            (
                maps and (weighted or self.loss.needs_shares),
                self.loss,
                self.network,
                "the shares of a batch are those of the patches' centres, not of all their voxels",
            ),
            (
                maps and isinstance(self.decision, PriorCorrected),
                self.decision,
                self.network,
                "the shares of a batch are those of the patches' centres, not of all their voxels",
            ),
        ):
            if wrong:
                raise ValueError(
                    f"arm '{self.name}': {type(one).__name__} cannot be combined with "
                    f"{type(other).__name__}; {why}"
                )


@dataclass(frozen=True)
class TwoStage(Part):
    """Two classifiers in a row (paper, section VIII): healthy or not; then which kind.

    Parameters
    ----------
    name : str
    first : Arm
        Tells healthy tissue from all else.
    second : Arm
        Tells the other classes apart; is trained on them alone, and asked only where the first
        says that tissue is not healthy.
    budget : float
        Share of the batches of one ordinary training that each of the two is trained on.

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
        if not 0 < self.budget <= 1:
            raise ValueError(
                f"arm '{self.name}': budget={self.budget}; above 0 and at most 1 is expected"
            )
        for arm in (self.first, self.second):
            if not isinstance(arm, Arm):
                raise TypeError(
                    f"arm '{self.name}': first={self.first!r}, second={self.second!r}; an Arm each "
                    f"is expected, such as those of ARMS"
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
"""The arms that this project compares, by name. Nothing else in the code knows their names, but the
studies that compare them, and the claims of the paper, which are about three of them."""


PAPER_ARMS = ("random", "balanced", "hard")
"""What the paper compares."""


def arm_named(arm: "str | Arm | TwoStage") -> Arm | TwoStage:
    """The arm of this name, or the arm itself; ValueError with the known names for any other."""
    if isinstance(arm, Arm | TwoStage):
        return arm
    if arm not in ARMS:
        raise ValueError(f"arm={arm!r}; an Arm, or one of {', '.join(ARMS)} is expected")
    return ARMS[arm]


def changed(arm: "str | Arm | TwoStage", **changes: Any) -> Arm | TwoStage:
    """An arm with other settings: of its own fields, or of those of its parts.

    Raises
    ------
    ValueError
        If neither the arm nor a part of it has such a setting.

    Examples
    --------
    >>> changed("hard", threshold=0.6).mining
    Mining(threshold=0.6, classes='all', candidates=None)
    """
    arm = arm_named(arm)
    for name, value in changes.items():
        if name in {field.name for field in fields(arm)}:
            arm = replace(arm, **{name: value})
            continue
        parts = {field.name: getattr(arm, field.name) for field in fields(arm)}
        owners = [
            (field, part)
            for field, part in parts.items()
            if isinstance(part, Part) and name in {each.name for each in fields(part)}
        ]
        if len(owners) != 1:
            raise ValueError(
                f"{name}={value!r}; arm '{arm.name}' has no such setting, or more than one; give a "
                f"whole part instead, such as sampling=Balanced({name}=...)"
            )
        ((field, part),) = owners
        arm = replace(arm, **{field: replace(part, **{name: value})})  # type: ignore[arg-type]
    return arm
