"""The public names, for type checkers and for lazy_loader, which imports each at its first use."""

from .cohort.case import (
    AIR as AIR,
    Case as Case,
)
from .cohort.cohort import Cohort as Cohort
from .cohort.errors import CohortError as CohortError
from .cohort.labels import (
    SCHEMES as SCHEMES,
    LabelScheme as LabelScheme,
)
from .evaluation.dice import (
    dice_scores as dice_scores,
    volume_ratios as volume_ratios,
)
from .lab.finished import (
    FinishedStudy as FinishedStudy,
    finished_study as finished_study,
)
from .lab.profiles import (
    PROFILES as PROFILES,
    Profile as Profile,
)
from .lab.workspace import (
    Lab as Lab,
    open_lab as open_lab,
)
from .network.cnn import patch_cnn as patch_cnn
from .network.dense import (
    fully_convolutional as fully_convolutional,
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
    audit as audit,
)
from .sampling.checks import check_sampler as check_sampler
from .sampling.index import ClassIndex as ClassIndex
from .sampling.patches import patch_dataset as patch_dataset
from .sampling.samplers import (
    BalancedSampler as BalancedSampler,
    HardExampleSampler as HardExampleSampler,
    RandomSampler as RandomSampler,
)
from .training.arms import (
    ARMS as ARMS,
    Arm as Arm,
    Mining as Mining,
    TwoStage as TwoStage,
)
from .training.batches import (
    Balanced as Balanced,
    Mixed as Mixed,
    Random as Random,
    Sampling as Sampling,
    Smote as Smote,
)
from .training.config import ExperimentConfig as ExperimentConfig
from .training.decisions import (
    Argmax as Argmax,
    Decision as Decision,
    Finish as Finish,
    NaturalHead as NaturalHead,
    PriorCorrected as PriorCorrected,
)
from .training.experiment import run_experiment as run_experiment
from .training.losses import (
    CrossEntropy as CrossEntropy,
    DiceCrossEntropy as DiceCrossEntropy,
    Focal as Focal,
    LogitAdjusted as LogitAdjusted,
    Loss as Loss,
)
from .training.mining import (
    HardExampleMining as HardExampleMining,
    mine as mine,
)
from .training.networks import (
    Network as Network,
    PatchCNN as PatchCNN,
    UNet as UNet,
)
from .training.result import ExperimentResult as ExperimentResult
from .training.studies import (
    STUDIES as STUDIES,
    Study as Study,
)
from .training.study_run import (
    run_study as run_study,
)
