"""The embedded cohort: BraTS-like cases grown on real anatomy, written as NIfTI files.

A case is made in the order of these modules: `anatomy` bends the ICBM template into an individual,
`lesion` puts a tumour into it, grown by `growth` (or `scattered` small white matter lesions),
`scanner` makes images of both, `case` does it all for one case, `writing` puts cases on disk;
`fields` holds the smooth random fields that all of them use.
"""

from .writing import write_phantom_cohort
