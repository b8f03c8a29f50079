"""imbalance_tf: a lab on class imbalance in image segmentation.

The public names. Each is imported when it is first used, so that reading scans or asking for help
never waits for TensorFlow.
"""

from importlib import import_module

_PUBLIC = {
    "AIR": "cohort.case",
    "Case": "cohort.case",
    "Cohort": "cohort.cohort",
    "CohortError": "cohort.errors",
    "SCHEMES": "cohort.labels",
    "LabelScheme": "cohort.labels",
    "load_cohort": "reading.loading",
    "check_folder": "reading.checking",
    "write_phantom_cohort": "phantom.writing",
    "ClassIndex": "sampling.index",
    "RandomSampler": "sampling.samplers",
    "BalancedSampler": "sampling.samplers",
    "HardExampleSampler": "sampling.samplers",
    "patch_dataset": "sampling.patches",
    "Audit": "sampling.audit",
    "audit": "sampling.audit",
    "patch_cnn": "network.cnn",
    "fully_convolutional": "network.dense",
    "segment": "network.dense",
    "dice_scores": "evaluation.dice",
    "volume_ratios": "evaluation.dice",
    "HardExampleMining": "training.mining",
    "ExperimentConfig": "training.config",
    "ExperimentResult": "training.result",
    "run_experiment": "training.experiment",
    "PROFILES": "lab.profiles",
    "Profile": "lab.profiles",
    "Lab": "lab.workspace",
    "open_lab": "lab.workspace",
}

__all__ = list(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
