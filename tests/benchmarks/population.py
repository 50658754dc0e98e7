"""How hard the population is, and what makes it hard: a recognition model's EER with each nuisance switched off.

    SFACE_REAL_DATA=... python tests/benchmarks/population.py [identities] [images]

The model is the MobileFaceNet of that folder, which has only ever seen photographs.
"""

import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from sface_lib.data.decode import decode_image
from sface_lib.engine import make_accelerator
from sface_lib.matching import compare_within
from sface_lib.population.rendering.persons import Person, draw_person, hair_colour, shown_years
from sface_lib.population.rendering.photograph import Photographer
from sface_lib.population.rendering.render import Light
from sface_lib.population.rendering.sets import render_set
from sface_lib.population.rendering.shots import Shot, draw_shot
from sface_lib.recognition import embed_batches, open_model

SPLIT, SIZE_PX, DETECTED_DEGREES = "control", 64, 45
WHITE = (1.0, 1.0, 1.0)
STUDIO = {"lights": (Light((-0.4, 0.5, 1.0), WHITE, 0.8), Light((0.8, 0.2, 1.0), WHITE, 0.25)), "ambient": 0.4}


def _view(**changes) -> Callable[[Person, Shot], Shot]:
    return lambda person, shot: dataclasses.replace(shot, view=dataclasses.replace(shot.view, **changes))


def _shot(**changes) -> Callable[[Person, Shot], Shot]:
    return lambda person, shot: dataclasses.replace(shot, **changes)


def _same_age(person: Person, shot: Shot) -> Shot:
    hair = dataclasses.replace(shot.hair, colour=hair_colour(person, shown_years(person, 0.0)))
    return dataclasses.replace(shot, years=0.0, hair=hair)


def _as_usual(person: Person, shot: Shot) -> Shot:
    hair = dataclasses.replace(person.hair, colour=shot.hair.colour)
    usual = {name: getattr(person, name) for name in ("beard", "glasses", "makeup", "earrings")}
    return dataclasses.replace(shot, hair=hair, hat=None, mask=None, **usual)


WITHOUT = {
    "(all as drawn)": lambda person, shot: shot,
    "pose": _view(yaw=0.0, pitch=0.0, roll=0.0),
    "focal length": _view(distance_mm=1100.0),
    "light": _view(**STUDIO, shine=0.1),
    "expression and gaze": _shot(expression="neutral", gaze_mm=(0.0, 0.0)),
    "age drift": _same_age,
    "hair and things worn": _as_usual,
    "exposure and colour": _shot(exposure=1.0, gamma=1.0, white_balance=WHITE),
    "background": _shot(background=7),
    "blur, noise, JPEG": _shot(blur_px=0.0, noise=0.0, jpeg_quality=97),
    "occlusion": _shot(occluder=None),
}


def difficulty(name: str, identities: int, images: int) -> tuple[str, float, float, float]:
    """EER, genuine and impostor mean of faces that a frontal detector finds, without one nuisance."""
    torch.set_num_threads(1)
    photographer, taken, kept = Photographer(SIZE_PX), [], []
    for identity in range(identities):
        person = draw_person(photographer.model, SPLIT, identity, 0)
        shots = [draw_shot(person, SPLIT, identity, image, 0) for image in range(images)]
        kept += [abs(shot.view.yaw) < DETECTED_DEGREES for shot in shots]
        taken += photographer.take(person, [WITHOUT[name](person, shot) for shot in shots])
    model = open_model(Path(os.environ["SFACE_REAL_DATA"]) / "mobilefacenet_casia.safetensors")
    pictures = np.stack([decode_image(taken[i])[0] for i in np.flatnonzero(kept)])
    faces = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    labels = np.repeat(np.arange(identities), images)[kept]
    embedded = embed_batches(model, faces.split(64), make_accelerator("float32"), fuse=False)
    metrics = compare_within(embedded, labels).metrics()
    return name, metrics.eer, metrics.genuine_mean, metrics.impostor_mean


def speed(workers: int, identities: int = 60, images: int = 20) -> float:
    """Images a second of a whole `render_set`, the start of its processes included."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        render_set(Path(folder) / "set", SPLIT, identities, images, SIZE_PX, workers=workers)
        return identities * images / (time.perf_counter() - started)


def main(identities: int = 60, images: int = 8) -> None:
    """Print the two tables."""
    if not os.environ.get("SFACE_REAL_DATA"):
        sys.exit("set SFACE_REAL_DATA to the folder of mobilefacenet_casia.safetensors")
    one, two = speed(1), speed(2)
    print(f"{SIZE_PX} px: {one:.1f} images/s with one process, {two:.1f} with two ({two / one:.2f} times)")
    print(f"{identities} identities x {images}, |yaw| < {DETECTED_DEGREES} degrees, {SIZE_PX} px")
    print(f"{'without':22s} {'EER':>6s} {'G-mean':>7s} {'I-mean':>7s}")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(difficulty, name, identities, images) for name in WITHOUT]
        for job in jobs:
            name, eer, genuine, impostor = job.result()
            print(f"{name:22s} {eer:6.3f} {genuine:7.3f} {impostor:7.3f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
