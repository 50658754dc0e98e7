"""Losses are the formulas, strategies differ only in what they learn from, and training is exact."""

import inspect
import zipfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

from sface_lib.biometrics import Interval
from sface_lib.data import FaceBatches, Protocol, open_faces
from sface_lib.engine import checkpoints, make_accelerator
from sface_lib.errors import BadImageError, CheckpointError, InputError, TrainingError
from sface_lib.parameters import ReportParameters
from sface_lib.privacy import compare_within
from sface_lib.recognition import (
    Classification,
    CombinedLearning,
    CosFace,
    KnowledgeTransfer,
    ProtocolPairs,
    RecognitionRecipe,
    RecognitionTrainer,
    TaughtBatches,
    cosface_logits,
    embed_faces,
    evaluate,
    learnt,
    resolve_pairs,
    untrained_model,
)
from sface_lib.recognition.evaluation import Evaluation

FLOAT32 = "float32"


@pytest.fixture(scope="module")
def data(tmp_path_factory, rendered_zip) -> FaceBatches:
    path = tmp_path_factory.mktemp("faces") / "set.zip"
    return FaceBatches(open_faces(rendered_zip(path, 8, 8, 32)), 32)


def recipe(**changes) -> RecognitionRecipe:
    values = {"backbone": "small", "size_px": 32, "embedding_size": 32, "steps": 8, "batch": 16, "kt_weight": 39.06}
    values |= {"learning_rate": 0.05, "weight_decay": 5e-4, "margin": 0.35, "scale": 64.0, "seed": 0}
    return RecognitionRecipe(**(values | changes))


def train(data, folder, strategy="CLS", taught=None, **changes):
    return RecognitionTrainer(data, strategy, recipe(**changes), make_accelerator(FLOAT32), folder, taught).train()


def same_weights(a, b) -> bool:
    first, second = a.network.state_dict(), b.network.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


def test_cosface_subtracts_the_margin_from_the_own_class_only():
    cosine = torch.tensor([[0.5, -0.25]], dtype=torch.float64)
    logits = cosface_logits(cosine, torch.tensor([0]), margin=0.35, scale=64.0)
    torch.testing.assert_close(logits, torch.tensor([[64 * 0.15, 64 * -0.25]], dtype=torch.float64))


def test_cosface_agrees_with_a_reference_in_float64():
    torch.manual_seed(0)
    head, x, labels = CosFace(6, 5, 0.35, 30.0).double(), torch.randn(4, 6), torch.tensor([0, 4, 2, 2])
    centres, rows = head.centres.detach().numpy(), x.double().numpy()
    cosine = rows @ centres.T / np.linalg.norm(rows, axis=1)[:, None] / np.linalg.norm(centres, axis=1)
    logits = 30.0 * (cosine - 0.35 * np.eye(5)[labels])
    expected = -np.mean([row[k] - np.log(np.exp(row).sum()) for row, k in zip(logits, labels.tolist(), strict=True)])
    # The head computes in float32, whose step at this size is 1e-6.
    assert head(x, labels).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_are_finite_where_an_embedding_lies_on_a_centre(sign):
    head = CosFace(4, 3, 0.35, 64.0)
    x = (sign * head.centres.detach()[:1] * 7).requires_grad_()
    head(x, torch.tensor([0])).backward()
    assert x.grad.isfinite().all() and head.centres.grad.isfinite().all()


def test_knowledge_transfer_is_the_weighted_cosine_distance():
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    transfer = KnowledgeTransfer(39.06)
    labels = torch.zeros(2, dtype=torch.int64)
    assert transfer(x, labels, F.normalize(x)).item() == pytest.approx(0, abs=1e-5)
    assert transfer(x, labels, -F.normalize(x)).item() == pytest.approx(2 * 39.06, rel=1e-6)


def test_the_weight_is_ten_thousand_times_the_mean_squared_error_at_512_dimensions():
    """|a - b|^2 = 2 (1 - cos) for unit vectors, so 10000 x MSE = 10000 x 2 / 512 x (1 - cos)."""
    torch.manual_seed(0)
    a, b = (F.normalize(torch.randn(6, 512)) for _ in range(2))
    mse = 10_000 * F.mse_loss(a, b).item()
    assert KnowledgeTransfer(39.0625)(a, None, b).item() == pytest.approx(mse, rel=1e-4)
    assert ReportParameters().kt_weight == pytest.approx(10_000 * 2 / 512, rel=1e-3)


def test_combined_learning_is_the_sum_of_both():
    torch.manual_seed(0)
    head, x, labels, taught = CosFace(4, 3, 0.35, 64.0), torch.randn(5, 4), torch.arange(5) % 3, torch.randn(5, 4)
    both = Classification(head)(x, labels, None) + KnowledgeTransfer(2.0)(x, labels, taught)
    torch.testing.assert_close(CombinedLearning(head, 2.0)(x, labels, taught), both)


def test_a_strategy_is_a_small_object():
    for strategy in (Classification, KnowledgeTransfer, CombinedLearning):
        assert len(inspect.getsource(strategy).splitlines()) <= 40


def test_knowledge_transfer_never_looks_at_labels(data, tmp_path):
    accelerator = make_accelerator(FLOAT32)
    taught = TaughtBatches(untrained_model(recipe(seed=9)), data, accelerator)
    shuffled = FaceBatches(data.faces, 32)
    shuffled.labels = data.labels.roll(13)
    first = train(data, tmp_path / "a", "KT", taught)
    assert same_weights(first, train(shuffled, tmp_path / "b", "KT", taught))
    assert not same_weights(train(data, tmp_path / "c"), train(shuffled, tmp_path / "d"))


def test_training_in_two_parts_ends_with_the_same_bits(data, tmp_path):
    whole = train(data, tmp_path / "whole")
    stopped = RecognitionTrainer(data, "CLS", recipe(), make_accelerator(FLOAT32), tmp_path / "parts")
    for _ in range(4):
        stopped._train_step()
    stopped._save()
    assert len(checkpoints(tmp_path / "parts")) == 1
    assert same_weights(whole, train(data, tmp_path / "parts"))


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


def test_the_learning_rate_falls_where_the_papers_does(data, tmp_path):
    trainer = RecognitionTrainer(data, "CLS", recipe(steps=64), make_accelerator(FLOAT32), tmp_path)
    rates = {}
    for trainer.step in range(64):
        rates.setdefault(round(trainer._rate(), 8), trainer.step)
    assert rates == {0.05: 0, 0.005: 40, 0.0005: 48, 0.00005: 52}


def test_a_teacher_of_another_width_is_refused(data, tmp_path):
    taught = TaughtBatches(untrained_model(recipe(embedding_size=16)), data, make_accelerator(FLOAT32))
    with pytest.raises(InputError, match="set embedding_size=16"):
        train(data, tmp_path, "KT", taught)


def test_what_cannot_be_trained_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="64 images, fewer than recognition_batch = 65"):
        train(data, tmp_path, batch=65)
    with pytest.raises(InputError, match="needs a teacher"):
        train(data, tmp_path, "CL")
    with pytest.raises(InputError, match="'XX' does not exist; choose one of CLS, KT, CL"):
        train(data, tmp_path, "XX")


def test_a_loss_that_is_not_finite_names_the_step(data, tmp_path):
    with pytest.raises(TrainingError, match="loss became (nan|inf) at step"):
        train(data, tmp_path, learning_rate=1e30, steps=20)


def test_a_model_has_learnt_only_above_every_floor():
    def judged(mean: float, low: float) -> Evaluation:
        accuracy = type("Accuracy", (), {"mean": mean})
        return Evaluation(accuracy, Interval(low, 1.0, 0.95, 100), None)

    assert learnt(judged(0.8, 0.71), [judged(0.7, 0.6), judged(0.6, 0.5)])
    assert not learnt(judged(0.8, 0.69), [judged(0.7, 0.6), judged(0.6, 0.5)])


def test_perfect_embeddings_score_one_and_pairs_outside_the_set_are_refused():
    rows = np.eye(8, dtype=np.float32)[np.repeat(np.arange(8), 2)]
    left, right = np.arange(0, 16, 2), np.arange(1, 16, 2)
    pairs = ProtocolPairs(
        np.concatenate([left, left]),
        np.concatenate([right, np.roll(right, 2)]),
        np.repeat([True, False], 8),
        np.tile(np.arange(8) % 2, 2),
        np.concatenate([left, left]) // 2,
        np.concatenate([right, np.roll(right, 2)]) // 2,
    )
    result = evaluate(rows, pairs, resamples=100, seed=0)
    assert result.accuracy.mean == 1 and result.interval.low == 1
    with pytest.raises(InputError, match="position 15 of 10"):
        evaluate(rows[:10], pairs, resamples=100, seed=0)


def test_training_taught_by_another_teacher_is_not_gone_on_with(data, tmp_path):
    accelerator = make_accelerator(FLOAT32)

    def trainer(seed):
        taught = TaughtBatches(untrained_model(recipe(seed=seed)), data, accelerator)
        return RecognitionTrainer(data, "KT", recipe(), accelerator, tmp_path, taught)

    trainer(8).train()
    with pytest.raises(CheckpointError, match="made with another teacher"):
        trainer(9).train()


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
