"""The public names, for type checkers and for lazy_loader, which imports each at its first use."""

from .cohort.case import (
    AIR as AIR,
)
from .cohort.case import (
    Case as Case,
)
from .cohort.cohort import Cohort as Cohort
from .cohort.errors import CohortError as CohortError
from .cohort.labels import (
    SCHEMES as SCHEMES,
)
from .cohort.labels import (
    LabelScheme as LabelScheme,
)
from .evaluation.dice import (
    dice_scores as dice_scores,
)
from .evaluation.dice import (
    volume_ratios as volume_ratios,
)
from .lab.finished import (
    FinishedStudy as FinishedStudy,
)
from .lab.finished import (
    finished_study as finished_study,
)
from .lab.profiles import (
    PROFILES as PROFILES,
)
from .lab.profiles import (
    Profile as Profile,
)
from .lab.workspace import (
    Lab as Lab,
)
from .lab.workspace import (
    open_lab as open_lab,
)
from .network.cnn import patch_cnn as patch_cnn
from .network.dense import (
    fully_convolutional as fully_convolutional,
)
from .network.dense import (
    segment as segment,
)
from .network.unet import (
    unet as unet,
)
from .phantom.writing import write_phantom_cohort as write_phantom_cohort
from .reading.checking import check_folder as check_folder
from .reading.loading import load_cohort as load_cohort
from .sampling.audit import (
    Audit as Audit,
)
from .sampling.audit import (
    audit as audit,
)
from .sampling.checks import check_sampler as check_sampler
from .sampling.index import ClassIndex as ClassIndex
from .sampling.patches import patch_dataset as patch_dataset
from .sampling.samplers import (
    BalancedSampler as BalancedSampler,
)
from .sampling.samplers import (
    HardExampleSampler as HardExampleSampler,
)
from .sampling.samplers import (
    RandomSampler as RandomSampler,
)
from .training.arms import (
    ARMS as ARMS,
)
from .training.arms import (
    Arm as Arm,
)
from .training.arms import (
    Mining as Mining,
)
from .training.arms import (
    TwoStage as TwoStage,
)
from .training.batches import (
    Balanced as Balanced,
)
from .training.batches import (
    Mixed as Mixed,
)
from .training.batches import (
    Random as Random,
)
from .training.batches import (
    Sampling as Sampling,
)
from .training.batches import (
    Smote as Smote,
)
from .training.config import ExperimentConfig as ExperimentConfig
from .training.decisions import (
    Argmax as Argmax,
)
from .training.decisions import (
    Decision as Decision,
)
from .training.decisions import (
    Finish as Finish,
)
from .training.decisions import (
    NaturalHead as NaturalHead,
)
from .training.decisions import (
    PriorCorrected as PriorCorrected,
)
from .training.experiment import run_experiment as run_experiment
from .training.losses import (
    CrossEntropy as CrossEntropy,
)
from .training.losses import (
    DiceCrossEntropy as DiceCrossEntropy,
)
from .training.losses import (
    Focal as Focal,
)
from .training.losses import (
    LogitAdjusted as LogitAdjusted,
)
from .training.losses import (
    Loss as Loss,
)
from .training.mining import (
    HardExampleMining as HardExampleMining,
)
from .training.mining import (
    mine as mine,
)
from .training.networks import (
    Network as Network,
)
from .training.networks import (
    PatchCNN as PatchCNN,
)
from .training.networks import (
    UNet as UNet,
)
from .training.result import ExperimentResult as ExperimentResult
from .training.studies import (
    STUDIES as STUDIES,
)
from .training.studies import (
    Study as Study,
)
from .training.study_run import (
    run_study as run_study,
)
