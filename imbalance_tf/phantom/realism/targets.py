"""What 26 patients of BraTS 2013 and 2018 look like in numbers.

Six patients of BraTS 2013 gave the class shares, the shared faces, the pieces and the means by
single class; twenty of BraTS 2018 (sixteen of them of high grade, for the intensities) the volumes
and the means by class with necrosis and non-enhancing tumour merged, as that release labels them.
A range is that of single patients; intensities are z-scores over the brain of a case and modality.
"""

CLASSES = ("healthy", "necrosis", "edema", "non-enhancing", "enhancing")
"""Class names of the scheme that these figures are about."""

SHARES = {  # % of brain, per patient; healthy is what the whole tumour leaves
    "healthy": (83.4, 98.0),
    "necrosis": (0.01, 2.6),
    "edema": (2.3, 8.8),
    "non-enhancing": (0.06, 3.6),
    "enhancing": (0.5, 2.7),
}
BRAIN_ML = (1174, 1729)
TUMOUR_ML = (26, 232)
TUMOUR_SHARE = (2, 16.6)
TUMOUR_HEIGHT_MM = (45, 84)
"""Axial slices (of 1 mm) with tumour."""
TUMOUR_PIECES = (1, 3)
"""Components of 50 mm3 or more."""
ROUGHNESS = (9.2, 18.3)
"""Surface faces / volume^(2/3); a sphere of voxels has 7.25."""
PATCHES_WITH_TUMOUR = (27, 58)
"""% of the axial 64x64 patches (of 1 mm) centred on brain."""

PIECES = {"necrosis": (5, 129), "non-enhancing": (35, 188)}
LARGE_PIECES = {"non-enhancing": (1, 4)}
"""Of 50 mm3 or more."""
MAIN_PIECE = {"edema": (91, 100), "enhancing": (91, 100)}
"""% of the class in its largest piece."""

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

GRADIENT = {"t1": (0.18, 0.38), "t2": (0.30, 0.34), "flair": (0.21, 0.46)}
"""Mean |gradient| of z in the brain, per mm."""

DEAD = "necrosis + non-enhancing"
"""What BraTS 2018 labels 1."""
MERGED = {
    # (mean, its sd between cases or None, sd within a case): sixteen high-grade cases of 2018
    "t1": {
        "healthy": (-0.01, None, 1.03),
        DEAD: (-0.39, 0.54, 0.42),
        "edema": (0.21, 0.37, 0.48),
        "enhancing": (-0.04, 0.41, 0.42),
    },
    "t1c": {
        "healthy": (-0.03, None, 0.98),
        DEAD: (-0.40, 0.38, 0.68),
        "edema": (0.00, 0.40, 0.51),
        "enhancing": (1.74, 0.75, 1.07),
    },
    "t2": {
        "healthy": (-0.10, None, 0.94),
        DEAD: (2.09, 0.56, 0.96),
        "edema": (0.78, 0.49, 0.64),
        "enhancing": (1.21, 0.44, 0.72),
    },
    "flair": {
        "healthy": (-0.20, None, 0.88),
        DEAD: (2.36, 1.18, 0.91),
        "edema": (1.90, 0.67, 0.90),
        "enhancing": (2.26, 1.27, 1.01),
    },
}
SINGLE = {
    # means of eight slices of BRATS 2013; of their spread only ranges are known
    "t1": {"necrosis": -0.53, "edema": 0.05, "non-enhancing": -0.15, "enhancing": 0.03},
    "t1c": {"necrosis": -0.88, "edema": -0.17, "non-enhancing": -0.14, "enhancing": 2.11},
    "t2": {"necrosis": 1.98, "edema": 0.77, "non-enhancing": 1.02, "enhancing": 1.03},
    "flair": {"necrosis": 1.06, "edema": 1.38, "non-enhancing": 1.55, "enhancing": 1.60},
}
SINGLE_SD = {"necrosis": 0.7}
"""The lowest sd between slices that was met (0.7-1.15); of the other classes 0.24 and more."""
TISSUES = {  # as SINGLE, for the healthy tissues
    "t1": {"csf": -1.87, "gm": -0.26, "wm": 0.67},
    "t1c": {"csf": -1.44, "gm": -0.29, "wm": 0.49},
    "t2": {"csf": 1.58, "gm": -0.19, "wm": -0.58},
    "flair": {"csf": -1.74, "gm": -0.44, "wm": -0.33},
}
TOLERANCE = 0.3
"""How far a mean may lie off where no sd between cases is known."""
SD_WITHIN = 0.3
"""How far, of its value, an sd within a class may lie off."""
SD_BETWEEN = 1.5
"""Factor between two sd between cases; each is known from sixteen cases only, to 18 %."""
