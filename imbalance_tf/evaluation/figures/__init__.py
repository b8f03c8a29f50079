"""Every figure of the notebooks.

Each function returns a closed `matplotlib.figure.Figure`: a notebook shows it as the value of its
cell, a script saves it with ``savefig``. Slices are shown as radiologists look at them: anterior
up, the patient's right on the left.
"""

from .arms import dice_by_arm, dice_by_length, difference_to, volumes_by_arm
from .cases import case_page
from .charts import class_shares, dice_by_case, draws, hard_pool, training_curve, volumes
from .diagrams import mining_loop, patch_to_label, two_in_a_row
from .scans import batches, gallery, modalities, patch_on_slice, segmentations
from .slider import slider
from .style import described, span
