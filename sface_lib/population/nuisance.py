"""What a picture shows beside its identity, predicted from pixels: a small network taught by rendered truth.

Diversity of a class is the spread of these predictions. It can't be had by letting the identity drift, which a spread
of recognition embeddings would reward.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn

from sface_lib.data import FaceSet, open_faces, to_unit_range
from sface_lib.engine import (
    load_strictly,
    make_accelerator,
    read_description,
    require_safetensors,
    save_weights,
    seed_everything,
    seed_step,
)
from sface_lib.errors import WeightsError
from sface_lib.files import check_shipped
from sface_lib.population.shipped import FOLDER, SIZE_PX
from sface_lib.recognition import image_batches
from sface_lib.recognition.augment import flip, robust
from sface_lib.recognition.backbones import StridedNetwork

NUISANCES = ("yaw", "pitch", "light_across", "light_down", "smile", "mouth_open")
ODD = np.array([-1, 1, -1, 1, 1, 1], np.float32)  # What mirroring does to each.
REGRESSOR_PATH = FOLDER / "nuisance.safetensors"
KIND = "nuisance regressor"
TAUGHT_BY = ("control", "global", "benchmark")
STEPS, BATCH, RATE, SEED = 3000, 64, 2e-3, 0


def nuisance_truth(table: pd.DataFrame) -> np.ndarray:
    """Truth of each image of a table of ground truth, float32 `[N, 6]` in the order of `NUISANCES`.

    Angles are in degrees. Light is the strength-weighted direction of both lamps, left (-) to right and above (-) to
    below. Smile and open mouth are 1 or -1, NaN where a mask hides them.
    """
    across, up = (sum(table[f"light{i}_{axis}"] * table[f"light{i}_strength"] for i in (1, 2)) for axis in "xy")
    smile, closed = (table[name].where(table[name] != 0) for name in ("Smiling", "Mouth_Closed"))
    columns = (table["yaw_degrees"], table["pitch_degrees"], across, -up, smile, -closed)
    return np.stack([np.asarray(column, np.float32) for column in columns], 1)


class NuisanceNetwork(StridedNetwork):
    """Float RGB `[N, 3, 64, 64]` in [-1, 1] -> `[N, 6]` in units of the training set's standard deviation."""

    def __init__(self):
        super().__init__(len(NUISANCES), SIZE_PX)


@dataclasses.dataclass
class NuisanceRegressor:
    """A trained network with the mean and standard deviation of each nuisance in its training set."""

    network: NuisanceNetwork
    mean: np.ndarray
    sd: np.ndarray

    @torch.no_grad()
    def predict(self, faces: FaceSet, accelerator: Accelerator, batch: int = 64) -> np.ndarray:
        """Nuisances of each image of a set, float32 `[N, 6]`, in the units of `nuisance_truth`."""
        network = self.network.eval().to(accelerator.device)
        rows = []
        for images in image_batches(faces, SIZE_PX, batch):
            with accelerator.autocast():
                rows.append(network(to_unit_range(images.to(accelerator.device))).cpu().numpy())
        return np.concatenate(rows) * self.sd + self.mean


def train_nuisance_regressor(
    path: str | Path, sets: str | Path = FOLDER, steps: int = STEPS, taught_by: Sequence[str] = TAUGHT_BY
) -> Path:
    """Teach the network on sets of a folder, given by name, and write it in half precision.

    `balanced` and `held-out` are left to judge it by.
    """
    path = require_safetensors(path)
    accelerator = make_accelerator()
    pixels = torch.cat([open_faces(Path(sets) / f"{name}.zip").load(size_px=SIZE_PX) for name in taught_by])
    truth = np.concatenate([nuisance_truth(pd.read_parquet(Path(sets) / f"{name}.parquet")) for name in taught_by])
    mean, sd = np.nanmean(truth, 0), np.nanstd(truth, 0)
    seed_everything(SEED)
    network = NuisanceNetwork().train().to(accelerator.device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps)
    for step in range(steps):
        draws = seed_step(SEED, step, 0)
        chosen = torch.randint(len(pixels), (BATCH,), generator=draws)
        images, mirrored = flip(pixels[chosen], draws)
        wanted = torch.from_numpy(np.where(mirrored.numpy()[:, None], ODD, 1) * truth[chosen.numpy()])
        wanted = ((wanted - torch.from_numpy(mean)) / torch.from_numpy(sd)).to(accelerator.device)
        images = (robust(images, draws) / 127.5 - 1).to(accelerator.device, memory_format=torch.channels_last)
        with accelerator.autocast():
            predictions = network(images)
        known = ~torch.isnan(wanted)
        loss = nn.functional.smooth_l1_loss(predictions[known], wanted[known])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    description = {"kind": KIND, "mean": mean.tolist(), "sd": sd.tolist(), "nuisances": NUISANCES}
    return save_weights(path, network, description, half=True)


def load_nuisance_regressor(path: str | Path = REGRESSOR_PATH) -> NuisanceRegressor:
    """Read what `train_nuisance_regressor` wrote; the shipped one by default."""
    description = read_description(check_shipped(path))
    if description.get("kind") != KIND:
        raise WeightsError(f"{path} holds no {KIND}; give one made by `sface population ship`")
    network = NuisanceNetwork()
    load_strictly(network, load_file(path), str(path))
    return NuisanceRegressor(network, *(np.array(description[name], np.float32) for name in ("mean", "sd")))


def reliability(regressor: NuisanceRegressor, faces: FaceSet, truth: pd.DataFrame, accelerator: Accelerator) -> dict:
    """Share of each nuisance's variance that the predictions explain (R²) on a set with ground truth."""
    predictions, wanted = regressor.predict(faces, accelerator), nuisance_truth(truth)
    error, total = np.nanmean((predictions - wanted) ** 2, 0), np.nanvar(wanted, 0)
    return dict(zip(NUISANCES, (1 - error / total).tolist(), strict=True))
