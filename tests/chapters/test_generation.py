"""How notebook 02 comes to its generator, what it draws and shows, and what it concludes."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from sface_lib.biometrics import Interval
from sface_lib.chapters import handover
from sface_lib.chapters.generation import compute, show
from sface_lib.chapters.generation.compute import DrawnSets, Findings, Quality, Snapshot, Training
from sface_lib.chapters.generation.parameters import GenerationParameters
from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator
from sface_lib.generators import shipped_log
from sface_lib.generators.assessment import Sample
from sface_lib.generators.quality import Memorisation
from sface_lib.generators.stylegan2 import (
    Discriminator,
    Generator,
    GeneratorSpec,
    TrainedPair,
    load_generator,
    save_pair,
)
from sface_lib.population import VERIFIER_PATH, first_images, shipped_faces
from sface_lib.recognition import Embedder, RecognitionModel, embed_faces, make_backbone, open_model
from sface_lib.run import Stage
from sface_lib.run.parameters import check

CLASSES, IMAGES, PX = 3, 6, 16
SPEC = GeneratorSpec(CLASSES, PX, 128, 16)
SMALL = {
    "precision": "float32",
    "generator_weights": "none",
    "generator_resolution_px": PX,
    "generator_channel_base": 128,
    "generator_channel_max": 16,
    "generator_batch": 8,
    "total_kimg": 0.032,
    "snapshot_kimg": 0.016,
    "images_per_class": 4,
}


def parameters(**changes) -> GenerationParameters:
    return check(GenerationParameters, SMALL | changes)


def stage_in(folder, **changes) -> Stage:
    return Stage("02_generation", None, folder, parameters(**changes))


@pytest.fixture(scope="module")
def accelerator():
    return make_accelerator("float32")


@pytest.fixture(scope="module")
def authentic(tmp_path_factory, rendered_zip):
    """Three identities of six images."""
    return open_faces(rendered_zip(tmp_path_factory.mktemp("sets") / "authentic.zip", CLASSES, IMAGES, 32))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A generator of three classes, trained for 12 kimg as its file says."""
    torch.manual_seed(0)
    pair = TrainedPair(Generator(SPEC), Discriminator(SPEC), kimg=12.0, ada_p=0.0)
    return save_pair(tmp_path_factory.mktemp("weights") / "given.safetensors", pair)


def same_weights(one: Generator, other: Generator) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


def test_weights_of_no_training_are_used_as_they_are(tmp_path, authentic, weights, accelerator):
    training = compute.train(stage_in(tmp_path, generator_weights=str(weights), total_kimg=0), authentic, accelerator)
    assert same_weights(load_generator(weights), training.generator) and not training.generator.training
    assert same_weights(training.generator, load_generator(tmp_path / compute.WEIGHTS))
    assert (training.kimg, training.kimg_before) == (12, 12)
    assert (training.log, training.history, compute.shown_snapshots(training)) == ((), (), ())
    assert show.losses(training) is None


def test_training_goes_on_from_given_weights_and_counts_on(tmp_path, authentic, weights, accelerator):
    training = compute.train(stage_in(tmp_path, generator_weights=str(weights)), authentic, accelerator)
    assert (training.kimg_before, training.kimg) == (12, pytest.approx(12.032))
    assert not same_weights(load_generator(weights), training.generator)
    assert same_weights(training.generator, load_generator(tmp_path / compute.WEIGHTS))
    snapshots = compute.shown_snapshots(training)
    assert [each.kimg for each in snapshots] == pytest.approx([12.016, 12.032])
    assert all(each.faces.shape == (CLASSES, 3, PX, PX) for each in snapshots)


def test_training_from_noise_has_nothing_before_it(tmp_path, authentic, accelerator):
    training = compute.train(stage_in(tmp_path), authentic, accelerator)
    assert (training.kimg_before, training.kimg, training.history) == (0, 0.032, ())
    assert (training.generator.spec.n_classes, training.resolution_px) == (CLASSES, PX)


def test_several_processes_train_on_the_selection_of_notebook_01(
    tmp_path, authentic, weights, accelerator, monkeypatch
):
    stage, asked = stage_in(tmp_path, processes=2), []

    def launched(*arguments):
        asked.append(arguments)
        return load_generator(weights)

    monkeypatch.setattr(compute, "launch_generator", launched)
    monkeypatch.setattr(stage, "input", lambda name: tmp_path / name)
    training = compute.train(stage, authentic, accelerator)
    assert asked == [(stage.parameters, stage.scratch("generator"), tmp_path / handover.SELECTION)]
    assert same_weights(load_generator(weights), load_generator(tmp_path / compute.WEIGHTS))
    assert same_weights(load_generator(weights), training.generator)


def test_the_shipped_generator_brings_the_history_of_its_training(tmp_path, authentic, accelerator):
    stage = stage_in(
        tmp_path, generator_weights="embedded", generator_resolution_px=64, generator_channel_base=256, total_kimg=0
    )
    training, told = compute.train(stage, authentic, accelerator), shipped_log()
    assert training.history == tuple(told) and training.log == ()
    assert training.kimg == training.kimg_before == pytest.approx(told[-1]["kimg"])
    _, numbers = show.losses(training)
    assert numbers["kimg"].tolist() == [row["kimg"] for row in told]


@pytest.mark.parametrize("count", [1, 5, 6, 7, 13, 200])
def test_at_most_six_are_shown_the_first_and_the_last_among_them(count):
    found = compute.shown(count).tolist()
    assert len(found) == min(6, count) and found == sorted(set(found))
    assert (found[0], found[-1]) == (0, count - 1)


def of_log(folder, kimgs, before=0.0, history=()):
    """A training whose every grid holds its step."""
    log = []
    for step, kimg in enumerate(kimgs):
        np.save(folder / f"grid-{step:09d}.npy", np.full((2, 3, 4, 4), step, np.uint8))
        losses = {name: float(step) for name in (*show.LOSSES, *show.BALANCE)}
        log.append({"step": step, "kimg": kimg, "images_per_second": 10.0 * step, **losses})
    return Training(Generator(SPEC), before, tuple(log), history, folder)


def test_shown_snapshots_are_those_of_their_steps(tmp_path):
    snapshots = compute.shown_snapshots(of_log(tmp_path, [0.5 * (step + 1) for step in range(11)]))
    assert [(each.kimg, int(each.faces.max())) for each in snapshots] == [
        *((0.5, 0), (1.5, 2), (2.5, 4), (3.5, 6), (4.5, 8), (5.5, 10)),
    ]


def test_losses_stand_over_the_training_before_this_run_as_well(tmp_path):
    earlier = of_log(tmp_path, [1.0, 2.0]).log
    training = of_log(tmp_path, [3.0], before=2.0, history=earlier)
    figure, numbers = show.losses(training)
    assert numbers["kimg"].tolist() == [1, 2, 3]
    assert [[line.get_label() for line in axes.lines] for axes in figure.axes] == [
        ["loss, generator", "loss, discriminator"],
        ["logit, real", "logit, fake", "ada, p"],
    ]
    assert all("this run" in [text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes)
    assert show.losses_caption(training).endswith("The first 2 kimg were trained before this run.")
    alone = of_log(tmp_path, [3.0])
    assert all(line.get_marker() != "None" for line in show.losses(alone)[0].axes[0].lines)  # Else one sees nothing.
    assert "before this run" not in show.losses_caption(alone)


def test_the_caption_of_the_snapshots_tells_how_much_was_trained_before():
    snapshots = [Snapshot(kimg, np.zeros((2, 3, 16, 16), np.uint8)) for kimg in (13.0, 14.0)]
    assert show.learning_caption(snapshots, 0) == "Same latents, same classes, after 13.0, 14.0 kimg."
    assert show.learning_caption(snapshots, 12).endswith("kimg, of which 12.0 were trained before this run.")
    shape = show.learning(snapshots).shape
    assert shape[0] == 2 * 64 + 2 and shape[1] > 2 * 64 + 2  # 16 px are shown four times as large, beside their kimg.


def drawn_in(folder, weights, accelerator, **changes) -> DrawnSets:
    stage = stage_in(folder, generator_weights=str(weights), **changes)
    stage.output(compute.WEIGHTS).write_bytes(weights.read_bytes())
    return compute.draw_sets(stage, load_generator(weights), CLASSES, accelerator)


def test_the_set_that_is_handed_over_is_the_one_as_drawn_where_no_model_steers(tmp_path, weights, accelerator):
    drawn = drawn_in(tmp_path, weights, accelerator)
    assert list(drawn.by_name) == ["generated"]
    handed = open_faces(tmp_path / handover.SYNTHETIC)
    assert handed.labels.tolist() == drawn.synthetic.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert torch.equal(handed.load(), drawn.by_name["generated"].load())


def test_the_set_that_is_handed_over_is_the_steered_one_where_a_model_steers(tmp_path, weights, accelerator):
    torch.manual_seed(1)
    guide = RecognitionModel(*make_backbone("small", 16, 32, dropout=0.0, trained_on="nothing"))
    guide.save(tmp_path / "guide.safetensors")
    changes = {"identity_model": str(tmp_path / "guide.safetensors"), "identity_score": -1.0, "identity_steps": 1}
    drawn = drawn_in(tmp_path, weights, accelerator, **changes)
    assert list(drawn.by_name) == ["as drawn", "steered"]
    handed = drawn.synthetic.load()
    assert torch.equal(handed, drawn.by_name["steered"].load())
    assert not torch.equal(handed, drawn.by_name["as drawn"].load())


def test_rows_of_a_class_are_its_first_images(authentic):
    first, last = compute.rows_of_classes(parameters(images_per_class=4), authentic, [0, 2])
    assert np.array_equal(first, authentic.load([0, 1, 2, 3], size_px=PX).numpy())
    assert np.array_equal(last, authentic.load([12, 13, 14, 15], size_px=PX).numpy())
    (every,) = compute.rows_of_classes(parameters(images_per_class=20), authentic, [1])
    assert len(every) == IMAGES


def test_a_sheet_of_both_sets_has_an_authentic_row_above_each_synthetic_one():
    rows = [np.full((n, 3, 64, 64), grey, np.uint8) for n, grey in ((2, 10), (1, 20), (2, 30), (2, 40))]
    sheet = show.side_by_side(rows[:2], rows[2:], [3, 7])
    assert len(sheet) == 4 * 66 - 2 and sheet.shape[1] > 2 * 66
    sheet = sheet[:, -130:]
    assert sheet[::66, 0, 0].tolist() == [10, 30, 20, 40]
    assert sheet[::66, 66].tolist() == [
        [n, n, n, 255] if n else [0] * 4 for n in (10, 30, 0, 40)
    ]  # Empty where a class has fewer images.


def test_the_first_images_of_each_class_are_measured_and_the_last_set_is_the_synthetic_one(authentic, accelerator):
    p = parameters(images_per_class=5)
    quality = compute.measure(
        p,
        dict.fromkeys(("authentic", "as drawn", "steered"), authentic),
        open_model(VERIFIER_PATH),
        Embedder(accelerator),
    )
    assert [len(sample.labels) for sample in quality.samples.values()] == [5 * CLASSES] * 3
    assert quality.synthetic is quality.samples["steered"]
    table = quality.table.set_index("measure")
    assert table.loc["EER within equal samples", "synthetic"] == table.loc["EER within equal samples", "authentic"]
    assert np.nanmean(quality.spread, 0) == pytest.approx(np.ones(7))  # The set itself varies as much as itself.
    caption = show.quality_caption(p, quality, 9)
    assert caption.endswith("psi = 1, seed 0, unfiltered, first 5 images of each of the first 3 classes (of 9).")
    assert compute.measured_per_class(parameters(images_per_class=40)) == 10


def sample(rows, labels) -> Sample:
    """Of embeddings and their labels; every class varies in its nuisances and pixels as much as any other."""
    nuisances = np.repeat([[0.0], [1.0]] * (len(rows) // 2), 6, axis=1)
    return Sample(np.array(rows, np.float32), np.array(labels), nuisances, np.ones(len(set(labels))))


ONE, OTHER = (1.0, 0.0), (0.0, 1.0)
PERSONS = sample([ONE, ONE, OTHER, OTHER], [0, 0, 1, 1])
MIXED = sample([ONE, OTHER, ONE, OTHER], [0, 0, 1, 1])  # Every class shows both persons.


def test_steering_gains_consistency_and_costs_the_link():
    table = pd.DataFrame()
    effects = compute.steering_effects(Quality({"authentic": PERSONS, "as drawn": MIXED, "steered": PERSONS}, table))
    found = show.steering(effects)
    assert found.columns.tolist() == ["set", "mean consistency", "link AUC", "link EER"]
    assert found.to_numpy().tolist() == [["as drawn", 0, 0.5, 0.5], ["steered", 1, 1, 0]]
    assert compute.steering_effects(Quality({"authentic": PERSONS, "as drawn": MIXED}, table)) == ()


def test_memorisation_is_not_measured_without_unseen_images(authentic):
    study = SimpleNamespace(training=authentic, held_out=None)
    assert compute.find_memorised(parameters(), study, PERSONS, verifier=None, embedder=None) is None
    assert show.memorised(None, 12).startswith("Not measured: it needs images of the same identities")


def test_a_set_of_training_images_is_memorised(accelerator):
    """Each training image scores 1 to its copy; an unseen one of the same person scores less."""
    whole, verifier = shipped_faces("balanced"), open_model(VERIFIER_PATH)
    training, unseen = whole.subset(first_images(whole, CLASSES, 8)), shipped_faces("held-out")
    study = SimpleNamespace(training=training, held_out=unseen.subset(first_images(unseen, CLASSES, 5)))
    copies = replace(PERSONS, embeddings=embed_faces(verifier, training, accelerator))
    found = compute.find_memorised(parameters(), study, copies, verifier=verifier, embedder=Embedder(accelerator))
    assert found.auc == 1 and len(found.member_best) == len(found.held_out_best) == 5 * CLASSES
    assert show.memorised(found, 1500) == (
        f"Training images against held-out ones: AUC **1.000** [{found.interval.low:.3f}, 1.000] over 15 and 15 images "
        "and 1,500 synthetic ones; 0.5 is no memorisation. This number is pooled over persons, "
        "whose differences may mask some; notebook 03 compares within persons."
    )


TABLE = pd.DataFrame(
    {
        "measure": ["Fréchet distance", "recall", "EER within equal samples"],
        "authentic": [math.nan, 0.9, 0.05],
        "synthetic": [math.nan, 0.5, 0.125],
    }
)


def findings(synthetic, training, memorised=None) -> Findings:
    return Findings(training, synthetic, Quality({"authentic": PERSONS, "as drawn": PERSONS}, TABLE), memorised)


def test_results_are_those_of_the_synthetic_set(tmp_path, authentic, accelerator):
    training = of_log(tmp_path, [13.0, 14.0], before=12.0)
    copied = Memorisation(0.7, Interval(0.6, 0.8, 0.95), np.ones(2), np.zeros(2))
    found = compute.results(findings(authentic, training, copied), {}, {}, accelerator).generated
    assert (found.kimg, found.kimg_before, found.images_per_second) == (14, 12, 10)
    assert (found.synthetic_images, found.classes, found.resolution_px) == (18, CLASSES, PX)
    assert found.quality == {
        "recall": 0.5,
        "EER within equal samples": 0.125,
    }  # What could not be measured is left out.
    assert found.memorisation_auc == 0.7 and "images were memorised" in found.shortcomings[0]
    assert found.generator_parameters == sum(weights.numel() for weights in Generator(SPEC).parameters())


def test_results_tell_what_was_not_trained_and_not_measured(tmp_path, authentic, accelerator):
    found = compute.results(findings(authentic, of_log(tmp_path, [], before=12.0)), {}, {}, accelerator).generated
    assert compute.results(None, {}, {}, accelerator).generated is None
    assert (found.kimg, found.images_per_second, found.memorisation_auc, found.shortcomings) == (12, None, None, ())
    assert (found.precision, found.device) == ("no", str(accelerator.device))


def test_the_last_sentence_tells_what_was_drawn(tmp_path, authentic):
    assert show.what_was_drawn(findings(authentic, of_log(tmp_path, [13.0], before=12.0))) == (
        "The generator (stylegan2) has seen 13.0 thousand images at 16 px, 12.0 of them before this run. 18 faces "
        "were drawn, 6 for each of 3 classes. Within the synthetic set identities are told apart with an EER of "
        "12.5 %, within as many authentic images of each class with 5.0 %. "
    )
    from_noise = show.what_was_drawn(findings(authentic, of_log(tmp_path, [13.0])))
    assert from_noise.startswith("The generator (stylegan2) has seen 13.0 thousand images at 16 px. 18 faces")
