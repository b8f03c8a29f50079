"""Balanced batches a second: patch_dataset beside its peers, and beside a plain memory copy.

    pip install ".[bench]" && python benchmarks/throughput.py

The task: batches of 120 patches of 64x64 in four modalities, balanced over five classes, of eight
whole cases of the embedded cohort in memory, as float16 tensors. Each peer runs in a process of its
own and may take its best settings: class positions are computed beforehand, workers persist. A
pipeline of tf.data is read as the lab's ``fit`` reads it, ten batches at a time inside a
``tf.function``; a loader by ``for``. Of each the fastest of four counts, one in each of four
rounds, since a shared machine halves its speed now and then. The table says what class counts each
really gave. Prints it, and writes it to ``benchmarks/throughput.json``. About fifteen minutes.
"""

import json
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

BATCH, SIDE, CLASSES, CHANNELS = 120, 64, 5, 4
ROUNDS, SECONDS, LIMIT = 4, 6, 400


def ours(cohort):
    from imbalance_tf import BalancedSampler, patch_dataset

    # Epochs as long as the paper's, so that the draws at the start of each count too.
    epoch = patch_dataset(
        BalancedSampler(cohort, seed=0), steps=1000, batch_size=BATCH, patch_size=SIDE
    )
    yield from as_keras_reads(epoch, steps=1000)


def as_keras_reads(dataset, steps: int):
    """Batches, pass after pass, as ``fit`` with ``steps_per_execution=10`` takes them."""
    import tensorflow as tf

    @tf.function
    def ten_batches(iterator):
        batches = [next(iterator) for _ in range(10)]
        return batches[-1][0], tf.stack([labels for _, labels in batches])

    while True:
        iterator = iter(dataset)
        for _ in range(steps // 10):
            patches, labels = ten_batches(iterator)
            yield from ((patches, of_batch) for of_batch in labels.numpy())


def monai(cohort, workers: int):
    """RandCropByLabelClassesd, 120 crops of one case a batch."""
    import torch
    from monai.data import CacheDataset, DataLoader, set_track_meta
    from monai.transforms import ClassesToIndicesd, Compose, RandCropByLabelClassesd

    set_track_meta(False)  # and no copy of the cache: what its users gain without any loss
    cases = [{"image": image, "label": label[None]} for image, label in _volumes(cohort)]
    crop = RandCropByLabelClassesd(
        keys=["image", "label"], label_key="label", spatial_size=(1, SIDE, SIDE),
        ratios=[1] * CLASSES, num_classes=CLASSES, num_samples=BATCH,
        indices_key="label_cls_indices",
    )  # fmt: skip
    prepare = Compose([ClassesToIndicesd(keys="label", num_classes=CLASSES), crop])
    dataset = CacheDataset(cases, prepare, copy_cache=False, progress=False)
    repeated = torch.utils.data.ConcatDataset([dataset] * 20)
    loader = DataLoader(
        repeated, batch_size=1, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    while True:
        for batch in loader:
            yield batch["image"], batch["label"][:, 0, 0, SIDE // 2, SIDE // 2].numpy()


def torchio(cohort, workers: int):
    """A Queue filled by a LabelSampler."""
    import torch
    import torchio as tio

    subjects = [
        tio.Subject(
            image=tio.ScalarImage(tensor=torch.from_numpy(image)),
            label=tio.LabelMap(tensor=torch.from_numpy(label[None])),
        )
        for image, label in _volumes(cohort)
    ]
    sampler = tio.LabelSampler(
        (1, SIDE, SIDE), label_name="label", label_probabilities=dict.fromkeys(range(CLASSES), 1)
    )
    queue = tio.Queue(
        tio.SubjectsDataset(subjects), max_length=8 * BATCH, samples_per_volume=BATCH,
        sampler=sampler, num_workers=workers,
    )  # fmt: skip
    loader = tio.SubjectsLoader(queue, batch_size=BATCH, num_workers=0)
    while True:
        for batch in loader:
            labels = batch["label"][tio.DATA][:, 0, 0, SIDE // 2, SIDE // 2]
            yield batch["image"][tio.DATA], labels.numpy()


def imbalanced_learn(cohort):
    """balanced_batch_generator: it needs all patches in memory, so it gets 8,000 (1 GB).

    As it is by default, it keeps as many of each class as the rarest has, and repeats these.
    """
    from imblearn.tensorflow import balanced_batch_generator

    from imbalance_tf import RandomSampler
    from imbalance_tf.sampling.patches import cut_patches

    centres = RandomSampler(cohort, seed=0).draw(8000)
    patches = cut_patches([case.images for case in cohort], centres, SIDE, fill=-5)
    flat = patches.reshape(len(patches), -1)
    labels = cohort.labels_at(centres).astype(np.int64)
    batches, _ = balanced_batch_generator(flat, labels, batch_size=BATCH, random_state=0)
    for flat_batch, batch_labels in batches:
        yield flat_batch.reshape(-1, SIDE, SIDE, CHANNELS), batch_labels


def sample_from_datasets(cohort):
    """tf.data alone: one dataset of patches a class, mixed by sample_from_datasets."""
    import tensorflow as tf

    half = SIDE // 2
    height, width = cohort.shapes[:, 1:].max(axis=0)

    def padded(array, fill):
        """To the size of the largest case, so that all slices are one tensor."""
        after = height - array.shape[1], width - array.shape[2]
        margins = [(0, 0), (half, half + after[0]), (half, half + after[1])]
        margins += [(0, 0)] * (array.ndim - 3)
        return np.pad(array, margins, constant_values=fill)

    images = tf.constant(np.concatenate([padded(case.images, -5) for case in cohort]))
    # The class number of a voxel of the brain, and none of any other.
    classes = [padded(np.where(case.brain, case.labels, 255), 255) for case in cohort]
    classes = np.concatenate(classes)[:, half:, half:]

    def patch(centre, label):
        begin = tf.concat([centre, [0]], axis=0)
        return tf.slice(images, begin, [1, SIDE, SIDE, CHANNELS])[0], label

    def of_class(number):
        centres = np.argwhere(classes == number).astype(np.int32)
        count = len(centres)
        centres = tf.constant(centres)
        return tf.data.Dataset.random(seed=number).map(lambda draw: (centres[draw % count], number))

    mixed = tf.data.Dataset.sample_from_datasets(
        [of_class(number) for number in range(CLASSES)], weights=[1 / CLASSES] * CLASSES, seed=0
    )
    batches = mixed.map(patch, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)
    yield from as_keras_reads(batches.prefetch(tf.data.AUTOTUNE), steps=1000)


def memory_copy(cohort, distinct: int):
    """np.copyto of as many bytes, over and over: of one batch in the cache, or of distinct ones."""
    shape = (distinct, BATCH, SIDE, SIDE, CHANNELS)
    source = np.random.default_rng(0).random(shape, np.float32).astype(np.float16)
    target = np.zeros_like(source)
    while True:
        for one, other in zip(target, source, strict=True):
            np.copyto(one, other)
            yield one, None


PEERS = {
    "imbalance_tf patch_dataset": ours,
    **{
        f"MONAI RandCropByLabelClassesd, {workers} worker{'s' * (workers != 1)}": (
            lambda cohort, workers=workers: monai(cohort, workers)
        )
        for workers in (0, 1, 2)
    },
    **{
        f"TorchIO LabelSampler, {workers} worker{'s' * (workers != 1)}": (
            lambda cohort, workers=workers: torchio(cohort, workers)
        )
        for workers in (0, 1, 2)
    },
    "imbalanced-learn generator": imbalanced_learn,
    "tf.data sample_from_datasets": sample_from_datasets,
    "memory copy, in the cache": lambda cohort: memory_copy(cohort, 1),
    "memory copy, distinct batches": lambda cohort: memory_copy(cohort, 30),
}


def _volumes(cohort):
    for case in cohort:
        yield np.ascontiguousarray(np.moveaxis(case.images, -1, 0)), case.labels


def measure(name: str, folder: str) -> dict:
    """Patches a second after some batches to warm up, and the class counts of the batches."""
    from imbalance_tf import load_cohort

    cohort = load_cohort(folder, cache=Path(folder) / ".cache")
    batches = PEERS[name](cohort)
    for _ in islice(batches, 10):
        pass
    patches, counts, started = 0, [], time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        batch, labels = next(batches)
        assert np.prod(batch.shape[1:]) == SIDE * SIDE * CHANNELS
        patches += len(batch)
        if labels is not None:
            counts.append(np.bincount(labels.astype(int), minlength=CLASSES))
    row = {"name": name, "patches/s": patches / (time.perf_counter() - started)}
    if counts:
        row |= {"fewest of a class": int(np.min(counts)), "most": int(np.max(counts))}
    return row


def run_alone(name: str, folder: str) -> dict:
    command = [sys.executable, __file__, name, folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return {"name": name, "note": f"no result in {LIMIT} s"}
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        missing = "ModuleNotFoundError" in done.stderr
        return {"name": name, "note": 'pip install ".[bench]"' if missing else "failed"}
    return json.loads(done.stdout.splitlines()[-1])


def main():
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])), flush=True)
        return
    from imbalance_tf import load_cohort, write_phantom_cohort

    with tempfile.TemporaryDirectory() as folder:
        write_phantom_cohort(folder, cases=8, seed=0, slice_thickness=1)
        load_cohort(folder, cache=Path(folder) / ".cache")
        rows = pd.DataFrame([run_alone(name, folder) for _ in range(ROUNDS) for name in PEERS])
    fastest = rows.sort_values("patches/s", ascending=False).drop_duplicates("name")
    table = fastest.set_index("name").loc[list(PEERS)]
    table.insert(1, "slowest round", rows.groupby("name")["patches/s"].min())
    speed = table["patches/s"]
    peers = speed[speed.index.str.startswith(("MONAI", "TorchIO"))]
    print(table.to_string(float_format="{:,.0f}".format, na_rep=""))
    print(f"{speed.iloc[0] / peers.max():.1f} times {peers.idxmax()}")
    for name in speed.index[speed.index.str.startswith("memory copy")]:
        print(f"{speed.iloc[0] / speed[name]:.3f} of {name}")
    table.reset_index().to_json(Path(__file__).with_suffix(".json"), orient="records", indent=1)


if __name__ == "__main__":
    main()
