"""What 26 patients of BraTS 2013 and 2018 look like in numbers.

The class shares, the shared faces, the pieces and the means of single classes come from six
patients of BraTS 2013; the volumes and the means with necrosis and non-enhancing tumour merged, as
that release labels them, from twenty of BraTS 2018 (intensities: sixteen of high grade). A range is
that of single patients; intensities are z-scores over the brain of a case and modality.
"""

CLASSES = ("healthy", "necrosis", "edema", "non-enhancing", "enhancing")
"""Class names of the scheme that these values are about."""

SHARES = {  # % of brain, per patient; healthy is all but the whole tumour
    "healthy": (83.4, 98.0),
    "necrosis": (0.01, 2.6),
    "edema": (2.3, 8.8),
    "non-enhancing": (0.06, 3.6),
    "enhancing": (0.5, 2.7),
}
RANGES: dict[tuple[str, str], tuple[float, float]] = {  # of single patients
    **{("share of brain, %", name): limits for name, limits in SHARES.items()},
    ("share of brain, %", "tumour"): (2, 16.6),
    ("volume, ml", "brain"): (1174, 1729),
    ("volume, ml", "tumour"): (26, 232),
    ("height of tumour, mm", "tumour"): (45, 84),
    ("64x64 patches with tumour, %", "patches"): (27, 58),  # of 1 mm, centred in the brain
    ("surface / volume^(2/3)", "tumour"): (9.2, 18.3),  # a sphere of voxels has 7.25
    ("pieces of 50 mm3 or more", "tumour"): (1, 3),
    ("pieces of 50 mm3 or more", "non-enhancing"): (1, 4),
    ("pieces", "necrosis"): (5, 129),
    ("pieces", "non-enhancing"): (35, 188),
    ("main piece, % of class", "edema"): (91, 100),
    ("main piece, % of class", "enhancing"): (91, 100),
}
MEANS = {
    ("64x64 patches with tumour, %", "patches"): (27, 58),
    ("mean |gradient| of z per mm", "t1"): (0.18, 0.38),
    ("mean |gradient| of z per mm", "t2"): (0.30, 0.34),
    ("mean |gradient| of z per mm", "flair"): (0.21, 0.46),
}

FACES = {  # % of all faces between voxels of different classes
    ("healthy", "edema"): 48,
    ("non-enhancing", "enhancing"): 11,
    ("necrosis", "enhancing"): 10,
    ("edema", "non-enhancing"): 8,
    ("edema", "enhancing"): 7,
    ("necrosis", "edema"): 5.5,
    ("necrosis", "non-enhancing"): 5,
    ("healthy", "enhancing"): 4,
    ("healthy", "non-enhancing"): 0.9,
    ("healthy", "necrosis"): 0.6,
}

DEAD = "necrosis + non-enhancing"
"""What BraTS 2018 labels 1."""
MERGED_CLASSES = ("healthy", DEAD, "edema", "enhancing")
MERGED = {
    # For each of them the mean, its sd between cases (or None) and the sd within a case: sixteen
    # high-grade cases of BraTS 2018.
    "t1": ((-0.01, None, 1.03), (-0.39, 0.54, 0.42), (0.21, 0.37, 0.48), (-0.04, 0.41, 0.42)),
    "t1c": ((-0.03, None, 0.98), (-0.40, 0.38, 0.68), (0.00, 0.40, 0.51), (1.74, 0.75, 1.07)),
    "t2": ((-0.10, None, 0.94), (2.09, 0.56, 0.96), (0.78, 0.49, 0.64), (1.21, 0.44, 0.72)),
    "flair": ((-0.20, None, 0.88), (2.36, 1.18, 0.91), (1.90, 0.67, 0.90), (2.26, 1.27, 1.01)),
}
SINGLE = {
    # means of eight slices of BRATS 2013; of their spread only ranges are known
    "t1": {"necrosis": -0.53, "edema": 0.05, "non-enhancing": -0.15, "enhancing": 0.03},
    "t1c": {"necrosis": -0.88, "edema": -0.17, "non-enhancing": -0.14, "enhancing": 2.11},
    "t2": {"necrosis": 1.98, "edema": 0.77, "non-enhancing": 1.02, "enhancing": 1.03},
    "flair": {"necrosis": 1.06, "edema": 1.38, "non-enhancing": 1.55, "enhancing": 1.60},
}
SINGLE_SD = {"necrosis": 0.7}
"""The lowest sd between slices that was found (0.7-1.15); for the other classes 0.24 and more."""
TOLERANCE = 0.3
"""How far a mean may be from the real one where no sd between cases is known."""
SD_WITHIN = 0.3
"""How far an sd within a class may be from the real one, as a share of it."""
SD_BETWEEN = 1.5
"""Largest factor between two sd between cases, known from sixteen cases only, to 18 %."""
