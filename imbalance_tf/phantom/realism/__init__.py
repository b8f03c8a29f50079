"""How near a cohort comes to real brain tumour scans, value by value.

`targets` holds what was measured on real patients, `measures` measures one case, `table` sets the
two beside each other.
"""

from . import targets
from .measures import measure_case
from .table import realism_table, summarise
