"""How much faster is a whole slice at once than one patch a voxel?

    python benchmarks/dense_inference.py

Times `segment` on 240x240 slices of four modalities against the patch model run on the patch of
every voxel of one such slice: with Keras' ordinary ``predict``, and with the batches that were
found the fastest. The fastest of three times of `segment`, and one time of each of the others,
which take minutes, so a slow moment of the machine counts for these alone. One process, after a
warm-up of each; checks that they agree. (The patches take ninety times the multiplications; what is
beyond that is how well each fills the processor.) Then `segment` on a whole case of the embedded
cohort with its brain; and, in processes of their own, what memory it takes, beyond its input and
output, at two sizes of slice. Prints a table and writes it to ``benchmarks/dense_inference.json``.
About three minutes.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from operator import itemgetter
from pathlib import Path

import numpy as np
from scipy.special import softmax

from imbalance_tf import AIR, load_cohort, patch_cnn, segment, write_phantom_cohort
from imbalance_tf.sampling.patches import cut_patches

SLICES, SIDE, BATCH = 16, 240, 480
SIDES = 512, 2048  # of the slices whose memory is compared


def patchwise(model, image: np.ndarray, run) -> np.ndarray:
    """Probabilities of one slice (1, H, W, M), one patch a voxel: the slow obvious way."""
    centres = np.argwhere(np.ones((1, *image.shape[:3]), bool))  # of one case
    parts = [
        run(cut_patches([image], part, model.input_shape[1], fill=AIR).astype(np.float32))
        for part in np.split(centres, range(BATCH, len(centres), BATCH))
    ]
    return softmax(np.concatenate(parts), axis=-1).reshape(*image.shape[:3], -1)


def seconds(action):
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result


def peak() -> float:
    """MiB at most, so far: kB on Linux, bytes on macOS."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def memory_beyond_arrays(side: int) -> float:
    """MiB that `segment` takes at most for one slice, without the slice and the result."""
    image = np.ones((1, side, side, 4), np.float32)
    model = patch_cnn(channels=4, classes=5)
    before = peak()
    result = segment(model, image)
    return peak() - before - result.nbytes / 2**20


def main():
    if len(sys.argv) == 2:
        print(memory_beyond_arrays(int(sys.argv[1])))
        return
    memory = {}  # first: on Linux a process starts with the peak of the one that starts it
    for side in SIDES:
        command = [sys.executable, __file__, str(side)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        memory[f"memory for {side}x{side}, MiB"] = float(done.stdout)
    images = np.random.default_rng(0).normal(size=(SLICES, SIDE, SIDE, 4)).astype(np.float32)
    model = patch_cnn(channels=4, classes=5)
    segment(model, images)
    ways = {
        "patch by patch, predict": lambda patches: model.predict(patches, verbose=0),
        "patch by patch, predict_on_batch": model.predict_on_batch,
    }
    slow = {}
    for name, run in ways.items():
        patchwise(model, images[:1, :8], run)
        slow[name], one_by_one = seconds(lambda run=run: patchwise(model, images[:1], run))
    fast, dense = min(
        (seconds(lambda: segment(model, images)) for _ in range(3)), key=itemgetter(0)
    )
    with tempfile.TemporaryDirectory() as folder:
        write_phantom_cohort(folder, cases=2, seed=0, slice_thickness=1)
        cohort = load_cohort(folder)
    case, brain = cohort[0].images, cohort[0].brain
    whole_case = min(seconds(lambda: segment(model, case, brain))[0] for _ in range(3))
    row = {
        **{f"{name}, s/slice": elapsed for name, elapsed in slow.items()},
        "segment, s/slice": fast / SLICES,
        **{f"faster than {name}, times": slow[name] / (fast / SLICES) for name in ways},
        f"a whole case {'x'.join(map(str, case.shape[:3]))}, s": whole_case,
        **memory,
        "largest difference in probability": float(np.abs(dense[:1] - one_by_one).max()),
    }
    for name, value in row.items():
        print(f"{name:56} {value:.4g}")
    Path(__file__).with_suffix(".json").write_text(json.dumps(row, indent=2) + "\n")


if __name__ == "__main__":
    main()
