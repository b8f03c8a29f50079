"""Time to a result: the lab's balanced arm, beside PyTorch fed by MONAI and by TorchIO.

    pip install ".[bench]" && python benchmarks/peer_lab.py [--epochs 10] [--steps 100]

The task: train `patch_cnn` on as many balanced batches of 120 patches of 64x64 as the lab profile,
on 19 cases of the embedded cohort in memory, and segment the twentieth. The peers train the same
network, written in PyTorch, with the same loss, optimiser and schedule; their patches come from
MONAI's `RandCropByLabelClassesd`, or from TorchIO's `Queue` with a `LabelSampler`. Each side runs
in a process of its own. Each peer trains with the settings that were the fastest in a short trial,
which is not counted: first precision and memory format of the network, then those of its loader.

The network gives the class of the centre of a patch. Neither MONAI's `sliding_window_inference`,
which expects a map, nor TorchIO's `GridSampler`, whose overlap must be even, takes such a network
to every voxel. So the peers segment patch by patch: batches of the patches of all voxels of the
brain, cut by `Tensor.unfold`. Where that would take more than five minutes, they segment every
n-th slice; the time is then scaled up, the Dice is that of these slices, and the table says so.

Minutes are counted from cases in memory to a trained model, and from there to a class map. What
else `run_experiment` does (it indexes the classes, and saves and scores the class map) counts as
segmentation. Prints the trials and the table. If the lengths are those of the lab, writes the table
to ``benchmarks/peer_lab.json``, under the precision that the processor is fastest in. About twenty
minutes.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from itertools import product, repeat
from pathlib import Path

import numpy as np
import pandas as pd

BATCH, SIDE = 120, 64
TRIAL = 48
"""Batches to try a setting with, or all of a shorter training: queues are filled several times."""
LIMIT = 5
"""Minutes to segment a case; if it would take longer, some of its slices are segmented."""


def ours(lab) -> dict:
    """`run_experiment`, as the notebooks call it."""
    from imbalance_tf import run_experiment

    config = lab.config("balanced")
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        result = run_experiment(config, lab.train, lab.test, folder)
        minutes = (time.perf_counter() - begun) / 60
    training = result.spent["seconds"] / 60
    return {
        "training": training,
        "segmentation": minutes - training,
        **{region: result.dice[region].iloc[0] for region in lab.test.scheme.regions},
        "settings": config.precision,
    }


def padded(case):
    """Images (M, S, H, W) with air around each slice, and the class of each voxel plus 1.

    Where no brain is, and so no centre of a patch, the latter (1, S, H, W) is 0.
    """
    from imbalance_tf import AIR

    margins = [(0, 0), (0, 0), (SIDE // 2, SIDE // 2), (SIDE // 2, SIDE // 2)]
    images = np.pad(np.moveaxis(case.images, -1, 0), margins, constant_values=AIR)
    classes = np.where(case.brain, case.labels + 1, 0).astype(np.uint8)[None]
    return images, np.pad(classes, margins)


def monai(cases, classes: int, batches: int, *, workers: int, cases_per_batch: int):
    """Batches of RandCropByLabelClassesd; the voxels of each class are looked up once per case."""
    import torch
    from monai.data import CacheDataset, DataLoader, set_track_meta
    from monai.transforms import ClassesToIndicesd, Compose, RandCropByLabelClassesd
    from monai.utils import set_determinism

    set_determinism(0)
    set_track_meta(False)  # plain tensors are faster
    crop = RandCropByLabelClassesd(
        keys=["image", "label"], label_key="label", spatial_size=(1, SIDE, SIDE),
        ratios=[0] + [1] * classes, num_classes=classes + 1, num_samples=BATCH // cases_per_batch,
        indices_key="label_cls_indices",
    )  # fmt: skip
    dataset = CacheDataset(
        [{"image": images, "label": labels} for images, labels in cases],
        Compose([ClassesToIndicesd(keys="label", num_classes=classes + 1), crop]),
        copy_cache=False,
        progress=False,
    )
    order = torch.utils.data.RandomSampler(
        dataset, replacement=True, num_samples=batches * cases_per_batch
    )
    loader = DataLoader(dataset, batch_size=cases_per_batch, sampler=order, num_workers=workers)
    for batch in loader:
        yield batch["image"][:, :, 0], batch["label"][:, 0, 0, SIDE // 2, SIDE // 2].long() - 1


def torchio(cases, classes: int, batches: int, *, workers: int, cases_per_batch: int, queue: int):
    """Batches out of a Queue of so many, which a LabelSampler fills."""
    import torch
    import torchio as tio

    torch.manual_seed(0)
    subjects = tio.SubjectsDataset(
        [
            tio.Subject(
                image=tio.ScalarImage(tensor=torch.from_numpy(images)),
                label=tio.LabelMap(tensor=torch.from_numpy(labels)),
            )
            for images, labels in cases
        ]
    )
    of_classes = dict.fromkeys(range(1, classes + 1), 1)
    order = torch.utils.data.RandomSampler(
        subjects, replacement=True, num_samples=batches * cases_per_batch
    )
    patches = tio.Queue(
        subjects, max_length=queue * BATCH, samples_per_volume=BATCH // cases_per_batch,
        sampler=tio.LabelSampler((1, SIDE, SIDE), "label", of_classes),
        subject_sampler=order, shuffle_subjects=False, num_workers=workers,
    )  # fmt: skip
    for batch in tio.SubjectsLoader(patches, batch_size=BATCH, num_workers=0):
        labels = batch["label"][tio.DATA][:, 0, 0, SIDE // 2, SIDE // 2]
        yield batch["image"][tio.DATA][:, :, 0], labels.long() - 1


NETWORKS = {"bfloat16": (False, True), "channels_last": (False, True)}
PEERS = {
    "MONAI": (monai, {"workers": (0, 1, 2), "cases_per_batch": (1, 5)}),
    "TorchIO": (torchio, {"workers": (0, 1, 2), "cases_per_batch": (1, 5), "queue": (4, 16)}),
}


def torch_patch_cnn(channels: int, classes: int):
    """`patch_cnn`, layer by layer."""
    import torch
    from torch import nn

    class ChannelBias(nn.Module):
        def __init__(self, channels: int):
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

        def forward(self, maps):
            return maps + self.bias.to(maps.dtype)

    layers, side = [], SIDE
    for filters in (16, 32, 64):
        convolution = nn.Conv2d(channels, filters, 3, bias=False)
        layers += [convolution, nn.MaxPool2d(2), ChannelBias(filters), nn.ReLU()]
        channels, side = filters, (side - 2) // 2
    layers += [nn.Conv2d(channels, 32, side), nn.ReLU(), nn.Conv2d(32, classes, 1), nn.Flatten()]
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


class Network:
    """The network in PyTorch, with Adam and the half cosine of its learning rate."""

    def __init__(self, lab, *, bfloat16: bool, channels_last: bool):
        import torch

        torch.manual_seed(0)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.dtype = torch.bfloat16 if bfloat16 else torch.float32
        model = torch_patch_cnn(len(lab.train.modalities), len(lab.train.scheme.classes))
        self.model = model.to(memory_format=self.layout)
        config = lab.config("balanced")
        # Epsilon as in Keras.
        self.optimizer = torch.optim.Adam(model.parameters(), config.learning_rate, eps=1e-7)
        self.decay = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, config.epochs * config.steps
        )

    def logits(self, patches):
        """Of patches (N, M, P, P): (N, classes) float32."""
        import torch

        patches = patches.to(self.dtype, memory_format=self.layout)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            return self.model(patches).float()

    def train(self, batches) -> float:
        """Seconds of a training, from before its first batch is made."""
        from torch.nn.functional import cross_entropy

        begun = time.perf_counter()
        for patches, labels in batches:
            self.optimizer.zero_grad()
            cross_entropy(self.logits(patches), labels).backward()
            self.optimizer.step()
            self.decay.step()
        return time.perf_counter() - begun

    def segment(self, images, brain: np.ndarray, slices) -> np.ndarray:
        """Class numbers (S, H, W) uint8 where there is brain in some slices, one patch per voxel.

        Images are those of `padded`.
        """
        import torch

        classes = np.zeros(brain.shape, np.uint8)
        around = torch.from_numpy(images).to(self.dtype)
        around = around.unfold(2, SIDE, 1).unfold(3, SIDE, 1)  # (M, S, H + 1, W + 1, P, P), a view
        with torch.inference_mode():
            for number in slices:
                where = map(torch.from_numpy, np.nonzero(brain[number]))
                parts = [
                    self.logits(around[:, number, rows, columns].transpose(0, 1)).argmax(dim=1)
                    for rows, columns in zip(
                        *(each.split(2 * BATCH) for each in where), strict=True
                    )
                    if len(rows)  # a slice without brain has one empty part
                ]
                if parts:
                    classes[number][brain[number]] = torch.cat(parts).numpy()
        return classes


def fastest(options: dict, batches: int, train) -> dict:
    """Of all combinations of settings, that with which `train` trains on batches the fastest."""
    combinations = [dict(zip(options, each, strict=True)) for each in product(*options.values())]
    train(combinations[0])  # the first imports the library, and prepares the processor's kernels
    seconds = []
    for settings in combinations:
        seconds.append(train(settings))
        print(f"{batches * BATCH / seconds[-1]:8,.0f} patches/s  {settings}", file=sys.stderr)
    return combinations[int(np.argmin(seconds))]


def peer(name: str, lab) -> dict:
    """Find the fastest settings of a peer; then train and segment."""
    import torch

    from imbalance_tf import dice_scores

    loader, options = PEERS[name]
    config, scheme = lab.config("balanced"), lab.train.scheme
    batches = partial(loader, [padded(case) for case in lab.train], len(scheme.classes))
    noise = torch.randn(BATCH, len(lab.train.modalities), SIDE, SIDE).half()
    batch = noise, torch.arange(BATCH) % len(scheme.classes)
    steps = config.epochs * config.steps
    trial = min(TRIAL, steps)
    network = fastest(
        NETWORKS, trial, lambda choice: Network(lab, **choice).train(repeat(batch, trial))
    )
    loading = fastest(
        options, trial, lambda choice: Network(lab, **network).train(batches(trial, **choice))
    )

    trained = Network(lab, **network)
    training = trained.train(batches(steps, **loading)) / 60

    case = lab.test[0]
    images, _ = padded(case)
    voxels = case.brain.sum(axis=(1, 2))
    middle = len(voxels) // 2

    def minutes(slices):
        """What all slices take, by these; and their class map."""
        begun = time.perf_counter()
        classes = trained.segment(images, case.brain, slices)
        taken = (time.perf_counter() - begun) / 60
        return taken * voxels.sum() / voxels[slices].sum(), classes

    expected = min(minutes([middle])[0] for _ in range(2))  # the first warms up
    every = math.ceil(expected / LIMIT)
    slices = np.arange(middle % every, len(voxels), every)
    segmentation, classes = minutes(slices)
    where = case.brain[slices]
    dice = dice_scores(case.labels[slices][where], classes[slices][where], scheme)
    return {
        "training": training,
        "segmentation": segmentation,
        **{region: dice[region] for region in scheme.regions},
        "settings": ", ".join(f"{key} {value}" for key, value in (network | loading).items()),
        "note": f"segmented one slice in {every}, minutes scaled" if every > 1 else "",
    }


def alone(name: str, arguments: list[str]) -> dict:
    """One side, in a process of its own."""
    command = [sys.executable, __file__, *arguments, "--alone", name]
    print(name, file=sys.stderr)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return {"name": name, "note": "failed"}
    return {"name": name} | json.loads(done.stdout.splitlines()[-1])


def main():
    from imbalance_tf import PROFILES, open_lab
    from imbalance_tf.lab.profiles import fastest_precision

    profile = PROFILES["lab"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=profile.epochs)
    parser.add_argument("--steps", type=int, default=profile.steps)
    parser.add_argument("--out", help="where the cohort is kept; by default a temporary folder")
    parser.add_argument("--alone", choices=["imbalance_tf", *PEERS], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = asked.out or temporary
        lab = open_lab("lab", out=out, test_cases=1)
        lab = replace(lab, profile=replace(profile, epochs=asked.epochs, steps=asked.steps))
        if asked.alone:
            row = ours(lab) if asked.alone == "imbalance_tf" else peer(asked.alone, lab)
            print(json.dumps(row), flush=True)
            return
        lengths = ["--epochs", str(asked.epochs), "--steps", str(asked.steps)]
        rows = [alone(name, [*lengths, "--out", out]) for name in ("imbalance_tf", *PEERS)]
    table = pd.DataFrame(rows).set_index("name")
    table.insert(2, "total", table["training"] + table["segmentation"])
    print(table.to_string(float_format="{:.2f}".format, na_rep=""))
    if (asked.epochs, asked.steps) == (profile.epochs, profile.steps):
        results = Path(__file__).with_suffix(".json")
        kept = json.loads(results.read_text()) if results.exists() else {}
        kept[fastest_precision()] = json.loads(table.reset_index().to_json(orient="records"))
        results.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
