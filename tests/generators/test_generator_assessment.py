"""The quality table tells good sets from collapsed and from copied ones."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from sface_lib.engine import make_accelerator
from sface_lib.generators import assessment, memorisation
from sface_lib.population import VERIFIER_PATH, first_images, shipped_faces
from sface_lib.population.nuisance import load_nuisance_regressor
from sface_lib.recognition import Embedder, embed_faces, open_model

CLASSES, IMAGES = 20, 10


@pytest.fixture(scope="module")
def measured():
    """Samples of authentic sets: training images, others of the same persons, and the model behind them."""
    model, accelerator = open_model(VERIFIER_PATH), make_accelerator("float32")

    def of(name, images):
        faces = shipped_faces(name)
        faces = faces.subset(first_images(faces, CLASSES, images))
        return assessment.take_sample(faces, images, model, load_nuisance_regressor(), Embedder(accelerator))

    balanced = shipped_faces("balanced")
    later = balanced.subset(np.setdiff1d(first_images(balanced, CLASSES, 20), first_images(balanced, CLASSES, IMAGES)))
    others = assessment.take_sample(later, IMAGES, model, load_nuisance_regressor(), Embedder(accelerator))
    held_out = shipped_faces("held-out")
    held_out = held_out.subset(first_images(held_out, CLASSES, 5))
    return of("balanced", IMAGES), others, (embed_faces(model, held_out, accelerator), held_out.labels)


def membership(synthetic, authentic, held_out):
    first = pd.Series(authentic.labels).groupby(authentic.labels).cumcount().to_numpy() < 5
    return memorisation(synthetic.embeddings, authentic.embeddings[first], authentic.labels[first], *held_out, 200, 0)


def row(table, measure):
    return table.set_index("measure").loc[measure]


@pytest.mark.slow
def test_another_sample_of_the_same_persons_is_as_good_as_can_be(measured):
    authentic, others, held_out = measured
    table = assessment.quality_table(authentic, others, 200, 0)
    assert abs(row(table, "kernel distance x 1000")["synthetic"]) < 10
    assert row(table, assessment.EER_OF_SAMPLES)["synthetic"] == pytest.approx(
        row(table, assessment.EER_OF_SAMPLES)["authentic"], abs=0.05
    )
    spread = assessment.diversity(authentic, others)
    assert spread.shape == (CLASSES, 7) and spread.mean() == pytest.approx(1, abs=0.1)
    found = membership(others, authentic, held_out)
    assert found.interval.low < 0.5 < found.interval.high
    assert assessment.shortcomings(spread, found) == []


def test_a_collapsed_generator_fails(measured):
    """Every class shows one image, with as much noise as hardly anybody sees."""
    authentic, others, held_out = measured
    random, first = np.random.default_rng(0), np.arange(CLASSES).repeat(IMAGES) * IMAGES
    noisy = others.embeddings[first] + 0.01 * random.standard_normal(others.embeddings.shape).astype(np.float32)
    collapsed = dataclasses.replace(
        others,
        embeddings=noisy / np.linalg.norm(noisy, axis=1, keepdims=True),
        nuisances=others.nuisances[first] + 0.01 * random.standard_normal(others.nuisances.shape),
        pixel_spread=np.full(CLASSES, 0.5),
    )
    table = assessment.quality_table(authentic, collapsed, 200, 0)
    assert row(table, assessment.EER_OF_SAMPLES)["synthetic"] < 0.01  # Perfect, by consistency alone.
    assert row(table, "recall")["synthetic"] < 0.5 * row(table, "recall")["authentic"]
    told = assessment.shortcomings(assessment.diversity(authentic, collapsed), None)
    assert len(told) == 2 and "below 60%" in told[0] and f"{CLASSES} of {CLASSES} classes" in told[1]


def test_a_generator_that_copies_its_training_images_fails(measured):
    authentic, _, held_out = measured
    random = np.random.default_rng(0)
    noisy = authentic.embeddings + 0.02 * random.standard_normal(authentic.embeddings.shape).astype(np.float32)
    copied = dataclasses.replace(authentic, embeddings=noisy / np.linalg.norm(noisy, axis=1, keepdims=True))
    table = assessment.quality_table(authentic, copied, 200, 0)
    assert row(table, "kernel distance x 1000")["synthetic"] < 10  # By distribution it is excellent.
    told = assessment.shortcomings(assessment.diversity(authentic, copied), membership(copied, authentic, held_out))
    assert len(told) == 1 and "images were memorised" in told[0]


def test_diversity_is_no_reward_for_drifting_identities(measured):
    """Labels shuffled among the classes: recognition embeddings spread, and consistency tells it."""
    authentic, others, _ = measured
    shuffled = dataclasses.replace(others, labels=np.random.default_rng(0).permutation(others.labels))
    assert shuffled.consistency.mean() < 0.3 * authentic.consistency.mean()
    table = assessment.quality_table(authentic, shuffled, 200, 0)
    assert row(table, assessment.EER_OF_SAMPLES)["synthetic"] == pytest.approx(0.5, abs=0.03)
