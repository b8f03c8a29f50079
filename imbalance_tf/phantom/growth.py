"""Growth by reaction and diffusion: tumour cells, the oxygen they lack, the fluid they leak.

Swanson et al. (2000) describe a glioma as a density of cells u, from 0 to 1, that divide and
wander: du/dt = div(D grad u) + rho u (1 - u), with D several times higher in white than in grey
matter; Clatz et al. (2005) solve it on a patient's own anatomy. Here the same equation runs on a
coarse grid of one phantom's tissue maps, by an explicit scheme in steps that keep it stable.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .anatomy import CALLOSUM, Anatomy, Tissue
from .fields import Grid, SmoothField

STEP_MM = 3
"""Voxel size of the coarse grid. The fronts are several voxels wide."""
MOVE = 0.15
"""D dt / STEP_MM^2 in pure white matter: below 1/6, where the explicit scheme is stable."""
ALONG = (1, 1, 0.65)
"""The same by axis: the long association fibres of the hemispheres run level, so that real
tumours of the same volume are less tall (45-84 mm) than wide."""
CELLS_IN_GREY, FLUID_IN_GREY = 0.2, 0.03
"""Mobility in grey matter relative to white: cells 5 times less (Swanson), edema hardly at all."""


class Growth(NamedTuple):
    """What has grown, on the coarse grid (float32; higher is more).

    ``cells`` is the logit of the density, ``starved`` how far oxygen has fallen (-log, 0 at the
    supplied surface), ``flow`` minus the distance that fluid travelled from the core, in mm of
    white matter. ``compartment`` is that of `Tissue`.
    """

    grid: Grid
    cells: np.ndarray
    starved: np.ndarray
    flow: np.ndarray
    compartment: np.ndarray

    def on(self, grid: Grid, compartment: np.ndarray, name: str, lowest: float) -> np.ndarray:
        """One of the fields on a finer grid, never interpolated across the falx or tentorium.

        ``compartment`` is that of the finer grid; where it is closed the value is ``lowest``.
        """
        values = np.full(grid.shape, lowest, np.float32)
        for side in (1, 2):
            reached = np.isin(self.compartment, (side, CALLOSUM))
            part = np.where(reached, getattr(self, name), np.float32(lowest))
            part = self.grid.interpolate(part, grid)
            here = np.isin(compartment, (side, CALLOSUM))
            values[here] = np.maximum(values[here], part[here])
        return values


def grow(
    rng: np.random.Generator,
    anatomy: Anatomy,
    seeds: list[tuple[np.ndarray, float]],
    *,
    core_ml: float,
    length: float,
) -> Growth:
    """Grow a tumour until its core, where the density is above one half, has a volume.

    ``seeds`` are the centre (mm) and the density of each focus; ``length`` is sqrt(D / rho) in
    white matter, mm: how diffuse the tumour is; ``rng`` makes the tissue uneven.
    """
    grid = Grid.regular(STEP_MM)
    tissue = anatomy.tissue(grid)
    uneven = np.exp(0.45 * SmoothField(rng, (9, 1.0)).on(grid))
    faces = _open_faces(tissue, tissue.wm + CELLS_IN_GREY * tissue.gm)
    divide = np.float32(MOVE * STEP_MM**2 / length**2) * uneven * (tissue.compartment > 0)
    divide *= tissue.wm + tissue.gm

    cells = np.zeros(grid.shape, np.float32)
    for centre, density in seeds:
        square = sum((axis - c) ** 2 for axis, c in zip(grid.open, centre, strict=True))
        cells += np.float32(density) * np.exp(-square / np.float32(2 * 4.0**2))
    cells = np.minimum(cells, 0.95) * (tissue.compartment > 0)
    kept = np.exp(-divide)
    wanted = core_ml * 1000 / STEP_MM**3
    for _ in range(300):  # stops what cannot reach its size; 40 to 100 are usual
        cells += _diffused(cells, faces)
        cells /= cells + (1 - cells) * kept  # the logistic equation, solved exactly
        if np.count_nonzero(cells > 0.5) >= wanted:
            break

    cells = np.clip(cells, 1e-7, 1 - 1e-4)
    core = cells > 0.5
    return Growth(
        grid,
        np.log(cells / (1 - cells)),
        _starved(cells, core),
        _flow(core, tissue),
        tissue.compartment,
    )


def _starved(cells: np.ndarray, core: np.ndarray) -> np.ndarray:
    """-log of the oxygen that reaches the core from its surface, consumed by cells on the way."""
    oxygen = np.ones_like(cells)
    for _ in range(25):
        oxygen = ndimage.uniform_filter(oxygen, 3) * (1 - np.float32(0.35) * cells * core)
        oxygen[~core] = 1
    return -np.log(np.maximum(oxygen, 1e-6))


def _flow(core: np.ndarray, tissue: Tissue) -> np.ndarray:
    """Minus the distance in mm that vasogenic edema travelled from the leaky core.

    Fluid diffuses out of the core for some steps; the logarithm of what arrives gives the
    distance: f ~ exp(-d^2 / 4Dt) (Varadhan 1967).
    """
    steps = 70
    faces = _open_faces(tissue, tissue.wm + FLUID_IN_GREY * tissue.gm)
    fluid = core.astype(np.float32)
    for _ in range(steps):
        fluid += _diffused(fluid, faces)
        fluid[core] = 1
    spread = np.float32(4 * MOVE * STEP_MM**2 * steps)
    return -np.sqrt(-spread * np.log(np.clip(fluid, 1e-20, 1)))


def _open_faces(tissue: Tissue, mobility: np.ndarray) -> list[np.ndarray]:
    """Conductance of the faces between neighbours, per axis.

    It is 0 at fluid and air, at the falx (between the hemispheres, except in the corpus callosum)
    and at the tentorium (to the cerebellum and the brain stem).
    """
    mobility = np.where(tissue.compartment > 0, mobility * (tissue.csf < 0.5), 0)
    faces = []
    for axis in range(3):
        near, far = (np.moveaxis(a, axis, 0) for a in (mobility, tissue.compartment))
        same = (far[1:] == far[:-1]) | (far[1:] == CALLOSUM) | (far[:-1] == CALLOSUM)
        # The geometric mean is nearer than the arithmetic one to the harmonic one, which is exact
        # for layers, and it is 0 where either side is closed.
        faces.append(np.float32(MOVE * ALONG[axis]) * np.sqrt(near[1:] * near[:-1]) * same)
    return faces


def _diffused(field: np.ndarray, faces: list[np.ndarray]) -> np.ndarray:
    """The change of a field by one step of diffusion, which preserves its sum."""
    change = np.zeros_like(field)
    for axis, conductance in enumerate(faces):
        along, out = np.moveaxis(field, axis, 0), np.moveaxis(change, axis, 0)
        current = conductance * (along[1:] - along[:-1])
        out[:-1] += current
        out[1:] -= current
    return change
