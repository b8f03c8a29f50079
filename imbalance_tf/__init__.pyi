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
from .training.config import ExperimentConfig as ExperimentConfig
from .training.experiment import run_experiment as run_experiment
from .training.mining import HardExampleMining as HardExampleMining
from .training.result import ExperimentResult as ExperimentResult
