"""How near a cohort comes to real brain tumour scans, figure by figure.

`targets` holds what was measured on real patients, `measures` what is measured on one case,
`table` sets the two beside each other.
"""

from . import targets
from .measures import measure_case
from .table import realism_table, separability_table, summarise

__all__ = ["measure_case", "realism_table", "separability_table", "summarise", "targets"]
