"""Losses are the formulas, strategies differ only in what they learn from, and training is exact."""

import dataclasses
import itertools
import zipfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from several_processes import run_apart, run_here
from sklearn.metrics import roc_auc_score

from sface_lib.chapters.training.parameters import TrainingParameters
from sface_lib.data import FaceBatches, Protocol, open_faces, write_faces
from sface_lib.engine import checkpoints, make_accelerator, read_log
from sface_lib.errors import BadImageError, CheckpointError, InputError, TrainingError
from sface_lib.matching import compare_within
from sface_lib.recognition import (
    CachedTeacher,
    Classification,
    CombinedLearning,
    KnowledgeTransfer,
    LiveTeacher,
    MarginHead,
    RecognitionRecipe,
    RecognitionTrainer,
    TeacherViews,
    Validation,
    cosface_logits,
    embed_batches,
    embed_faces,
    resolve_pairs,
    untrained_model,
)

FLOAT32 = "float32"


@pytest.fixture(scope="module")
def data(tmp_path_factory, rendered_zip) -> FaceBatches:
    path = tmp_path_factory.mktemp("faces") / "set.zip"
    return FaceBatches(open_faces(rendered_zip(path, 8, 8, 32)), 32)


def recipe(**changes) -> RecognitionRecipe:
    values = {"backbone": "small", "size_px": 32, "embedding_size": 32, "steps": 8, "batch": 16, "kt_weight": 39.06}
    values |= {"learning_rate": 0.05, "weight_decay": 5e-4, "margin": 0.35, "scale": 64.0, "seed": 0}
    return RecognitionRecipe(**(values | changes))


def trainer(data, folder, strategy="CLS", teacher=None, **changes):
    return RecognitionTrainer(data, strategy, recipe(**changes), make_accelerator(FLOAT32), folder, teacher)


def train(data, folder, strategy="CLS", teacher=None, **changes):
    return trainer(data, folder, strategy, teacher, **changes).train()


def stop_at(calls: int) -> Validation:
    """What ends a run like Ctrl-C, in its fifth step."""
    count = itertools.count(1)

    def accuracy(model):
        if next(count) == calls:
            raise KeyboardInterrupt
        return 0.0

    return Validation(accuracy, interval_steps=1)


def same_weights(a, b) -> bool:
    first, second = a.network.state_dict(), b.network.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


def test_cosface_subtracts_the_margin_from_the_own_class_only():
    cosine = torch.tensor([[0.5, -0.25]], dtype=torch.float64)
    logits = cosface_logits(cosine, torch.tensor([0]), margin=0.35, scale=64.0)
    torch.testing.assert_close(logits, torch.tensor([[64 * 0.15, 64 * -0.25]], dtype=torch.float64))


def test_cosface_agrees_with_a_reference_in_float64():
    torch.manual_seed(0)
    head, x, labels = MarginHead(6, 5, "cosface", 0.35, 30.0).double(), torch.randn(4, 6), torch.tensor([0, 4, 2, 2])
    centres, rows = head.centres.detach().numpy(), x.double().numpy()
    cosine = rows @ centres.T / np.linalg.norm(rows, axis=1)[:, None] / np.linalg.norm(centres, axis=1)
    logits = 30.0 * (cosine - 0.35 * np.eye(5)[labels])
    expected = -np.mean([row[k] - np.log(np.exp(row).sum()) for row, k in zip(logits, labels.tolist(), strict=True)])
    # The head computes in float32, whose step at this size is 1e-6.
    assert head(x, labels).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_are_finite_where_an_embedding_lies_on_a_centre(sign):
    head = MarginHead(4, 3)
    x = (sign * head.centres.detach()[:1] * 7).requires_grad_()
    head(x, torch.tensor([0])).backward()
    assert x.grad.isfinite().all() and head.centres.grad.isfinite().all()


def test_knowledge_transfer_is_the_weighted_cosine_distance():
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    transfer = KnowledgeTransfer(39.06, 2, 2)
    labels = torch.zeros(2, dtype=torch.int64)
    assert transfer(x, labels, F.normalize(x)).item() == pytest.approx(0, abs=1e-5)
    assert transfer(x, labels, -F.normalize(x)).item() == pytest.approx(2 * 39.06, rel=1e-6)


def test_the_weight_is_ten_thousand_times_the_mean_squared_error_at_512_dimensions():
    """|a - b|^2 = 2 (1 - cos) for unit vectors, so 10000 x MSE = 10000 x 2 / 512 x (1 - cos)."""
    torch.manual_seed(0)
    a, b = (F.normalize(torch.randn(6, 512)) for _ in range(2))
    mse = 10_000 * F.mse_loss(a, b).item()
    assert KnowledgeTransfer(39.0625, 512, 512)(a, None, b).item() == pytest.approx(mse, rel=1e-4)
    assert TrainingParameters().kt_weight == pytest.approx(10_000 * 2 / 512, rel=1e-3)


def test_combined_learning_is_the_sum_of_both():
    torch.manual_seed(0)
    head, x, labels, taught = MarginHead(4, 3), torch.randn(5, 4), torch.arange(5) % 3, torch.randn(5, 4)
    parts = Classification(head), KnowledgeTransfer(2.0, 4, 4)
    both = parts[0](x, labels, None) + parts[1](x, labels, taught)
    torch.testing.assert_close(CombinedLearning(*parts)(x, labels, taught), both)


@pytest.mark.slow
def test_knowledge_transfer_never_looks_at_labels(data, tmp_path):
    accelerator = make_accelerator(FLOAT32)
    taught = CachedTeacher(untrained_model(recipe(seed=9)), data, accelerator)
    shuffled = FaceBatches(data.faces, 32)
    shuffled.labels = data.labels.roll(13)
    first = train(data, tmp_path / "a", "KT", taught)
    assert same_weights(first, train(shuffled, tmp_path / "b", "KT", taught))
    assert not same_weights(train(data, tmp_path / "c"), train(shuffled, tmp_path / "d"))


@pytest.mark.slow
def test_training_in_two_parts_ends_with_the_same_bits(data, tmp_path):
    whole = train(data, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trainer(data, tmp_path / "parts").train(stop_at(5))
    assert [path.name for path in checkpoints(tmp_path / "parts")] == ["checkpoint-000000004", "checkpoint-000000002"]
    assert same_weights(whole, train(data, tmp_path / "parts"))
    logs = ([(row["step"], row["loss"]) for row in read_log(tmp_path / f / "log.jsonl")] for f in ("whole", "parts"))
    assert next(logs) == next(logs)


@pytest.mark.slow
def test_training_tells_unseen_identities_apart_better_than_no_training(data, tmp_path, rendered_zip):
    unseen = open_faces(rendered_zip(tmp_path / "unseen.zip", 8, 6, 32, first=50))
    accelerator = make_accelerator(FLOAT32)
    auc = []
    for model in (untrained_model(recipe()), train(data, tmp_path / "work", steps=60)):
        c = compare_within(embed_faces(model, unseen, accelerator), unseen.labels)
        truth = np.repeat([1, 0], [len(c.genuine), len(c.impostor)])
        auc.append(roc_auc_score(truth, np.concatenate([c.genuine, c.impostor])))
    # 28 pairs of identities: a standard error of about 0.03.
    assert auc[1] > auc[0] + 0.06


def test_the_learning_rate_falls_where_the_papers_does():
    rates = {}
    for step in range(64):
        rates.setdefault(round(recipe(steps=64).rate(step), 8), step)
    assert rates == {0.05: 0, 0.005: 40, 0.0005: 48, 0.00005: 52}


@pytest.mark.slow
def test_a_teacher_of_another_width_is_met_by_a_projection_that_is_no_part_of_the_model(data, tmp_path):
    teacher = CachedTeacher(untrained_model(recipe(embedding_size=16)), data, make_accelerator(FLOAT32))
    learner = trainer(data, tmp_path, "KT", teacher, steps=40, learning_rate=0.02)
    start = learner.objective.projection.weight.detach().clone()
    model = learner.train()
    assert not torch.equal(learner.objective.projection.weight, start)
    assert model.embedding_size == 32 and not any("projection" in name for name in model.network.state_dict())
    log = read_log(tmp_path / "log.jsonl")
    assert log[-1]["loss"] < 0.7 * log[0]["loss"]


def test_a_live_teacher_gives_what_a_cached_one_does_of_plain_and_mirrored_views(data):
    accelerator, model = make_accelerator(FLOAT32), untrained_model(recipe())
    at, mirrored = np.array([5, 60, 7]), torch.tensor([True, False, True])
    images = torch.where(mirrored[:, None, None, None], data.images(at)[0].flip(3), data.images(at)[0])
    cached = CachedTeacher(model, data, accelerator)(at, mirrored, images)
    # Networks may sum in another order at another size of the batch.
    torch.testing.assert_close(LiveTeacher(model, accelerator)(at, mirrored, images), cached, atol=1e-5, rtol=1e-4)


def test_a_teacher_sees_a_set_at_its_own_size(data):
    model, accelerator = untrained_model(recipe(size_px=16)), make_accelerator(FLOAT32)
    own = torch.from_numpy(embed_faces(model, data.faces, accelerator))
    rows, plain = np.arange(len(data)), torch.zeros(len(data), dtype=torch.bool)
    small = CachedTeacher(model, data, accelerator)
    both = F.normalize(small(rows, plain, None) + small(rows, ~plain, None))
    # The model's own fusion adds raw embeddings, this one unit ones: equal directions where both weigh alike.
    assert F.cosine_similarity(own, both).min() > 0.99


@pytest.mark.slow
def test_knowledge_transfer_learns_from_a_set_without_labels_and_classification_refuses_it(data, tmp_path):
    path = write_faces(tmp_path / "unlabelled.zip", data.images(np.arange(len(data)))[0])
    unlabelled, accelerator = FaceBatches(open_faces(path), 32), make_accelerator(FLOAT32)
    teacher = CachedTeacher(untrained_model(recipe(seed=9)), unlabelled, accelerator)
    model = train(unlabelled, tmp_path / "a", "KT", teacher)
    assert same_weights(model, train(data, tmp_path / "b", "KT", teacher))
    for strategy in ("CLS", "CL"):
        with pytest.raises(InputError, match=f"no labels, which strategy {strategy} learns from"):
            train(unlabelled, tmp_path / "c", strategy, teacher)


@pytest.mark.slow
def test_validation_is_logged_and_the_best_model_counts_only_when_asked_for(data, tmp_path):
    accuracies = iter([0.6, 0.9, 0.7, 0.8] * 2)
    seen = []

    def accuracy(model):
        seen.append(model)
        return next(accuracies)

    last = trainer(data, tmp_path / "last").train(Validation(accuracy, interval_steps=2))
    rows = {row["step"]: row["accuracy"] for row in read_log(tmp_path / "last/log.jsonl") if "accuracy" in row}
    assert rows == {2: 0.6, 4: 0.9, 6: 0.7, 8: 0.8}
    assert same_weights(last, seen[3]) and same_weights(last, train(data, tmp_path / "plain"))
    best = trainer(data, tmp_path / "best").train(Validation(accuracy, interval_steps=2, keep_best=True))
    assert same_weights(best, seen[5]) and not same_weights(best, last)


def test_training_stops_when_nothing_new_comes_and_stays_stopped(data, tmp_path):
    accuracies = iter([0.6, 0.9, 0.7, 0.8, 0.95])
    early = Validation(lambda model: next(accuracies), interval_steps=1, patience=2)
    learner = trainer(data, tmp_path)
    learner.train(early)
    assert learner.step == 4 and [row["accuracy"] for row in read_log(tmp_path / "log.jsonl")] == [0.6, 0.9, 0.7, 0.8]
    again = trainer(data, tmp_path)
    assert same_weights(again.train(early), learner.model()) and again.step == 4
    assert next(accuracies) == 0.95  # Nothing was judged again.


def test_what_cannot_be_trained_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="64 images, fewer than recognition_batch = 65"):
        train(data, tmp_path, batch=65)
    with pytest.raises(InputError, match="needs a teacher"):
        train(data, tmp_path, "CL")
    with pytest.raises(InputError, match="'XX' does not exist; choose one of CLS, KT, CL"):
        train(data, tmp_path, "XX")
    with pytest.raises(InputError, match="into 3 micro-batches, of 1 processes with 3 gradient accumulation steps"):
        train(data, tmp_path, gradient_accumulation_steps=3)
    with pytest.raises(InputError, match="leaves one image for each of 16 micro-batches"):
        train(data, tmp_path, gradient_accumulation_steps=16)


def test_a_loss_that_is_not_finite_names_the_step(data, tmp_path):
    with pytest.raises(TrainingError, match="loss became (nan|inf) at step"):
        train(data, tmp_path, learning_rate=1e30, steps=20)


def test_a_gradient_that_is_not_finite_is_not_stored_as_the_last_weights(data, tmp_path, monkeypatch):
    """The loss of the last step is finite still: it was computed before the step."""
    learner = trainer(data, tmp_path, steps=3)
    monkeypatch.setattr(learner.accelerator, "clip_grad_norm_", lambda *_: torch.tensor(float("nan")))
    with pytest.raises(TrainingError, match="gradient became nan at step 0"):
        learner.train()
    assert checkpoints(tmp_path) == []


def test_the_choice_of_the_model_that_counts_cannot_change_in_a_folder(data, tmp_path):
    judged = Validation(lambda model: 0.5, interval_steps=4)
    trainer(data, tmp_path).train(judged)
    with pytest.raises(CheckpointError, match="keep_best"):
        trainer(data, tmp_path).train(dataclasses.replace(judged, keep_best=True))


def test_processes_that_see_different_checkpoints_are_refused(data, tmp_path, monkeypatch):
    """As on two machines, of which only the first has the folder."""
    monkeypatch.setattr("sface_lib.engine.checkpointing.gather_object", lambda steps: [*steps, 4])
    with pytest.raises(
        CheckpointError, match=r"checkpoints of different steps in .* \(\[0, 4\]\); all machines must see"
    ):
        train(data, tmp_path)


@pytest.mark.slow
def test_a_teacher_embeds_nothing_before_all_is_checked_and_nothing_for_a_finished_run(data, tmp_path, monkeypatch):
    accelerator = make_accelerator(FLOAT32)

    def teacher():
        return CachedTeacher(untrained_model(recipe(seed=9)), data, accelerator)

    finished = train(data, tmp_path / "run", "KT", teacher())
    monkeypatch.setattr(TeacherViews, "_embed", lambda *_: pytest.fail("embedded"))
    assert same_weights(train(data, tmp_path / "run", "KT", teacher()), finished)
    with pytest.raises(InputError, match="'kt' does not exist"):
        train(data, tmp_path, "kt", teacher())
    with pytest.raises(InputError, match="cannot be divided"):
        train(data, tmp_path, "KT", teacher(), gradient_accumulation_steps=3)
    with pytest.raises(CheckpointError):
        train(data, tmp_path / "run", "CL", teacher())


@pytest.mark.slow
def test_training_taught_by_another_teacher_is_not_gone_on_with(data, tmp_path):
    accelerator = make_accelerator(FLOAT32)

    def taught(seed):
        return train(data, tmp_path, "KT", CachedTeacher(untrained_model(recipe(seed=seed)), data, accelerator))

    taught(8)
    with pytest.raises(CheckpointError, match="made with another teacher"):
        taught(9)


def test_pairs_with_an_image_that_cannot_be_decoded_are_left_out_and_one_fold_is_too_few(tmp_path, rendered_zip):
    faces = open_faces(rendered_zip(tmp_path / "a.zip", 4, 2, 16))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "set")
    (tmp_path / "set" / faces.names[0]).write_bytes(b"no image")
    left, right = ((faces.names[i] for i in chosen) for chosen in ((0, 2, 4, 6), (1, 3, 6, 0)))
    protocol = Protocol(tuple(left), tuple(right), np.array([1, 1, 0, 0], bool), np.array([1, 1, 2, 1]))
    pairs = resolve_pairs(protocol, open_faces(tmp_path / "set", on_bad_image="skip"))
    assert pairs.left.tolist() == [2, 4] and pairs.same.tolist() == [True, False]
    with pytest.raises(BadImageError, match="cannot be decoded"):
        resolve_pairs(protocol, open_faces(tmp_path / "set"))
    with pytest.raises(InputError, match="k-fold accuracy needs two or more"):
        resolve_pairs(protocol.restrict([1]), faces)


PROGRAM = """
import sys
from pathlib import Path
from sface_lib.data import FaceBatches, open_faces
from sface_lib.engine import make_accelerator
import torch
from sface_lib.recognition import CachedTeacher, RecognitionRecipe, RecognitionTrainer, open_model
from several_processes import become
become(int(sys.argv[1]))
folder, parts = Path(sys.argv[2]), int(sys.argv[3])
steps = {"gradient_accumulation_steps": parts}
recipe = RecognitionRecipe("small", 32, 32, 6, 16, 0.05, 5e-4, 0.35, 64.0, 39.06, seed=0, **steps)
data, accelerator = FaceBatches(open_faces(folder / "set.zip"), 32), make_accelerator("float32")
teacher = CachedTeacher(open_model(folder / "teacher.safetensors"), data, accelerator)
torch.save(teacher.views, folder / f"views-{parts}-{accelerator.process_index}.pt")
RecognitionTrainer(data, "CL", recipe, accelerator, folder / f"parts-{parts}", teacher).train()
"""


@pytest.mark.slow
@pytest.mark.processes
def test_two_processes_train_as_one_does_in_two_parts(tmp_path, rendered_zip):
    """Both see the same images with the same draws, and norms over pieces of eight: one computation in two places."""
    faces = open_faces(rendered_zip(tmp_path / "set.zip", 9, 7, 32))  # Of 63 images one process embeds 32, one 31.
    teacher = untrained_model(recipe(seed=9))
    teacher.save(tmp_path / "teacher.safetensors")
    run_apart(PROGRAM, tmp_path, 2, tmp_path, 1)
    run_here(PROGRAM, 1, tmp_path, 2)
    losses = [[row["loss"] for row in read_log(tmp_path / f"parts-{parts}" / "log.jsonl")] for parts in (1, 2)]
    # Gradients are summed in another order, and what that rounds grows from step to step.
    assert len(losses[0]) == 6 and losses[0] == pytest.approx(losses[1], rel=2e-3)
    expected = embed_faces(teacher, faces, make_accelerator(FLOAT32), fuse=False)
    for name in ("1-0", "1-1", "2-0"):
        views = torch.load(tmp_path / f"views-{name}.pt", weights_only=True)
        assert views.shape == (2, 63, 32)
        np.testing.assert_allclose(views[0], expected, atol=1e-5)


def test_a_model_that_has_embedded_can_give_gradients_by_its_images(data):
    """Weights that inference mode had moved or made could not."""
    model = untrained_model(recipe())
    embed_faces(model, data.faces, make_accelerator(FLOAT32))
    images = torch.zeros(2, 3, 32, 32, requires_grad=True)
    model.single(model.prepare_differentiable(images)).sum().backward()
    assert images.grad.abs().sum() > 0 and not any(w.is_inference() for w in model.network.parameters())


@pytest.mark.slow
def test_a_deep_untrained_network_gives_embeddings_where_its_norms_were_measured():
    """Without, its values grow by a factor a layer: the length of what comes out is beyond float32."""
    deep = dataclasses.replace(recipe(), backbone="iresnet50", size_px=112)
    images = torch.randint(0, 256, (8, 3, 112, 112), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    accelerator = make_accelerator(FLOAT32)
    measured = untrained_model(deep, images)
    rows = embed_batches(measured, [images], accelerator)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.abs(rows @ rows.T - np.eye(8)).max() < 0.999  # Images are told apart, if badly.
    assert not any(module.training for module in measured.network.modules())
    with pytest.raises(InputError, match="output is zero, infinite or NaN for 8 of 8 images, the first at position 0"):
        embed_batches(untrained_model(deep), [images], accelerator)
