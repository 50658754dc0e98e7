"""Seeds: of a whole loop, and of each of its steps."""

import random

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch; every loop calls it before it makes its networks."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that draw from numpy's global state
    torch.manual_seed(seed)


def seed_step(seed: int, step: int, rank: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Seed torch's global RNG for one step of one process, and give a generator on a device for explicit draws.

    Randomness is a function of (seed, step, rank): a resumed run draws what the uninterrupted one would have drawn,
    without stored RNG states, and on any device.
    """
    words = np.random.SeedSequence([seed, step, rank]).generate_state(2, np.uint64)
    torch.manual_seed(int(words[0]))
    return torch.Generator(device).manual_seed(int(words[1]))
