"""How good a generator of the shipped population is, by the shipped verifier and by one that never saw a rendering.

    [SFACE_REAL_DATA=...] python tests/benchmarks/quality.py --weights generator.safetensors [--out numbers.json]

Draws 20 images for each of 200 classes (psi = 1, seed 0, unfiltered) and measures them against `balanced`. The second
model is the MobileFaceNet of that folder.
"""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator
from sface_lib.files import sha256_of_file, write_json
from sface_lib.generators import Order, assessment, generate_set, memorisation
from sface_lib.generators.stylegan2 import load_generator
from sface_lib.matching import compare_sets
from sface_lib.population import VERIFIER_PATH, first_images, shipped_faces
from sface_lib.population.nuisance import load_nuisance_regressor
from sface_lib.recognition import Embedder, embed_faces, open_model

CLASSES, PER_CLASS, HELD_OUT, SEED, RESAMPLES = 200, 20, 5, 0, 1000


def judge(model, synthetic, accelerator) -> dict[str, float]:
    """All numbers by one model."""
    regressor, authentic = load_nuisance_regressor(), shipped_faces("balanced")
    source, sample = (
        assessment.take_sample(faces, PER_CLASS, model, regressor, Embedder(accelerator))
        for faces in (authentic, synthetic)
    )
    table = assessment.quality_table(source, sample, RESAMPLES, SEED)
    numbers = {}
    for row in table.to_dict("records"):
        numbers[row["measure"]] = {"authentic": row["authentic"], "synthetic": row["synthetic"]}
    seen, unseen = authentic.subset(first_images(authentic, CLASSES, HELD_OUT)), shipped_faces("held-out")
    embedded = [embed_faces(model, faces, accelerator) for faces in (seen, unseen)]
    found = memorisation(sample.embeddings, embedded[0], seen.labels, embedded[1], unseen.labels, RESAMPLES, SEED)
    numbers["membership AUC"] = {"synthetic": found.auc, "low": found.interval.low, "high": found.interval.high}
    link = compare_sets(source.embeddings, source.labels, sample.embeddings, sample.labels).metrics()
    numbers["same-label link"] = {"EER": link.eer, "AUC": link.auc}
    numbers["mean diversity"] = {"synthetic": float(np.nanmean(assessment.diversity(source, sample)))}
    numbers["collapsed classes"] = {"synthetic": int((assessment.diversity(source, sample).mean(1) < 0.3).sum())}
    return numbers


def main() -> None:
    """Print the numbers of each model, and write them where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    models = {"shipped verifier": VERIFIER_PATH}
    if folder := os.environ.get("SFACE_REAL_DATA"):
        models["MobileFaceNet (photographs)"] = Path(folder) / "mobilefacenet_casia.safetensors"
    accelerator, found = make_accelerator(), {}
    with TemporaryDirectory() as folder:
        order = Order(CLASSES, PER_CLASS, SEED)
        drawn = generate_set(Path(folder) / "set", load_generator(arguments.weights), accelerator, order, "")
        for name, path in models.items():
            found[name] = judge(open_model(path), open_faces(drawn), accelerator)
            print(f"\n{name}: {PER_CLASS} images of each of {CLASSES} classes, psi = 1, unfiltered, seed {SEED}")
            for measure, values in found[name].items():
                print(f"  {measure:26s}", ", ".join(f"{key} {value:.4g}" for key, value in values.items()))
    if arguments.out:
        facts = {"weights_sha256": sha256_of_file(arguments.weights), "psi": 1, "seed": SEED, "per_class": PER_CLASS}
        write_json(arguments.out, facts | {"numbers": found})


if __name__ == "__main__":
    main()
