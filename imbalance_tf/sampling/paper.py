"""The settings of the paper's batches, and of what it calls hard (sections IV to VII)."""

BATCH_SIZE, PATCH_SIZE = 120, 64
"""Patches in a batch; rows and columns of a patch."""
THRESHOLD = 0.75
"""A patch is hard if it is misclassified, or if the probability of its class is smaller."""
