"""Every pair of two sets is scored once, and what is counted is what was scored."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from sface_lib.errors import InputError
from sface_lib.matching import compare_sets, compare_within

SMALL = (16, 32)  # Tiles that a few rows span.


def embedded(n_classes: int, images: int, strength: float = 0.0, seed: int = 0, d: int = 16):
    """Unit embeddings around class centres; strength 0 has no class structure. Centres do not depend on `seed`."""
    centres = np.random.default_rng(99).standard_normal((n_classes, d))
    labels = np.repeat(np.arange(n_classes), images)
    rows = np.random.default_rng(seed).standard_normal((len(labels), d)) + strength * centres[labels]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def test_two_sets_are_scored_pair_by_pair():
    (a, la), (b, lb) = embedded(3, 4, 1.0, 1), embedded(4, 3, 1.0, 2)
    found = compare_sets(a, la, b, lb)
    truth = [(a[i] @ b[j], la[i], lb[j]) for i, j in itertools.product(range(12), range(12))]
    np.testing.assert_allclose(np.sort(found.genuine), np.sort([s for s, x, y in truth if x == y]), atol=1e-6)
    np.testing.assert_allclose(np.sort(found.impostor), np.sort([s for s, x, y in truth if x != y]), atol=1e-6)
    assert len(found.genuine) == 3 * 4 * 3 and len(found.genuine) + len(found.impostor) == 144


def test_within_a_set_every_unordered_pair_counts_once_and_none_with_itself():
    a, labels = embedded(3, 4, 1.0)
    found = compare_within(a, labels)
    truth = [(a[i] @ a[j], labels[i] == labels[j]) for i, j in itertools.combinations(range(12), 2)]
    np.testing.assert_allclose(np.sort(found.genuine), np.sort([s for s, same in truth if same]), atol=1e-6)
    np.testing.assert_allclose(np.sort(found.impostor), np.sort([s for s, same in truth if not same]), atol=1e-6)
    assert found.genuine.max() < 0.9999  # A self-pair would score 1.


def unsorted(n: int, classes: int, d: int = 16, seed: int = 0):
    """Unit rows in random order of labels."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), random.integers(0, classes, n)


def everything(within: bool, **options):
    """A comparison of a few tiles, and all its scores as a plain matrix with what counts of it."""
    (a, la), (b, lb) = unsorted(90, 9, seed=1), unsorted(130, 11, seed=2)
    found = compare_within(a, la, **options) if within else compare_sets(a, la, b, lb, **options)
    b, lb = (a, la) if within else (b, lb)
    scores, same = a @ b.T, la[:, None] == lb
    kept = np.triu(np.ones_like(same), 1) if within else np.ones_like(same)
    return found, scores, same, kept


@pytest.mark.parametrize("within", [False, True])
def test_what_is_collected_from_tiles_is_what_the_whole_matrix_holds(within):
    found, scores, same, kept = everything(within, top_pairs=25, nearest=3, tile=SMALL)
    np.testing.assert_allclose(np.sort(found.genuine), np.sort(scores[same & kept]), atol=1e-6)
    others = scores[~same & kept]
    np.testing.assert_allclose(np.sort(found.impostor), np.sort(others), atol=1e-6)
    assert found.impostors.counts.sum() == others.size
    assert found.impostors.mean == pytest.approx(others.mean(dtype=np.float64), abs=1e-7)
    assert found.impostors.sd == pytest.approx(others.std(dtype=np.float64), abs=1e-7)
    # Each counted score lies in its bin, up to rounding at an edge.
    expected = np.histogram(others, found.impostors.edges)[0]
    assert np.abs(np.cumsum(found.impostors.counts) - np.cumsum(expected)).max() <= 1
    best = np.sort(scores[kept])[::-1][:25]
    pairs = found.top_pairs
    np.testing.assert_allclose(pairs.scores, best, atol=1e-6)
    np.testing.assert_allclose(scores[pairs.a_rows, pairs.b_rows], best, atol=1e-6)
    np.testing.assert_array_equal(pairs.same_label, same[pairs.a_rows, pairs.b_rows])
    if within:
        np.fill_diagonal(scores, -2)
    np.testing.assert_allclose(found.nearest[0], np.sort(scores, 1)[:, ::-1][:, :3], atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(scores, found.nearest[1], 1), found.nearest[0], atol=1e-6)


def test_of_equal_scores_the_first_rows_stand_first():
    a = np.tile(np.eye(4, dtype=np.float32), (20, 1))
    found = compare_within(a, np.arange(80) % 8, top_pairs=10, nearest=2, tile=SMALL)
    assert list(zip(found.top_pairs.a_rows, found.top_pairs.b_rows, strict=True))[:3] == [(0, 8), (0, 16), (0, 24)]
    assert np.all(found.top_pairs.scores == 1) and np.all(found.nearest[0] == 1)


@pytest.mark.parametrize("within", [False, True])
def test_counted_scores_give_the_metrics_of_all_scores_within_their_brackets(within):
    kept = everything(within, tile=SMALL)[0]
    exact = kept.metrics()
    found = everything(within, tile=SMALL, most_exact=2000)[0]
    assert found.blocks is None
    metrics, brackets = found.metrics(), found.brackets()
    for name in ("genuine_mean", "genuine_sd", "impostor_mean", "impostor_sd", "fdr", "d_prime"):
        assert getattr(metrics, name) == pytest.approx(getattr(exact, name), abs=1e-6)
    for name in ("eer", "auc", "fmr100"):
        low, high = brackets[name]
        assert low - 1e-12 <= getattr(exact, name) <= high + 1e-12 and high - low < 0.01
    assert brackets["fmr1000"] is None or brackets["fmr1000"][0] <= exact.fmr1000 <= brackets["fmr1000"][1]
    with pytest.raises(InputError, match="are counted, not kept"):
        _ = found.impostor


def test_one_image_a_class_against_its_copy_has_no_error():
    a, labels = embedded(20, 1)
    metrics = compare_sets(a, labels, a, labels).metrics()
    assert metrics.eer == 0 and metrics.auc == 1 and metrics.genuine_mean == pytest.approx(1)


def bad_row(value: float):
    a, labels = embedded(3, 2)
    a = a.copy()
    a[4] = value
    return a, labels


@pytest.mark.parametrize(
    ("a", "labels", "message"),
    [
        (*bad_row(np.nan), "row 4 of set a"),
        (*bad_row(0.0), "row 4 of set a"),
        (embedded(3, 2)[0], np.arange(5), "labels of set a has 5 entries; give 6"),
        (embedded(3, 2)[0], np.zeros(6), "labels of set a holds values of type float64; give integer labels"),
        (np.zeros((0, 4)), np.zeros(0, int), r"embeddings \[N, d\]"),
        (np.zeros(4), np.zeros(4, int), r"embeddings \[N, d\]"),
        (embedded(1, 4)[0], np.zeros(4, int), "1 identities"),
        (embedded(4, 1)[0], np.arange(4), "at most 1 images of one"),
    ],
)
def test_sets_that_cannot_be_scored_are_refused_by_name_and_row(a, labels, message):
    with pytest.raises(InputError, match=message):
        compare_within(a, labels)


def test_sets_that_do_not_fit_each_other_are_refused():
    (a, la), (b, lb) = embedded(3, 2), embedded(3, 2, d=8)
    with pytest.raises(InputError, match="a has 16, b has 8"):
        compare_sets(a, la, b, lb)
    with pytest.raises(InputError, match="no label in common"):
        compare_sets(a, la, a, la + 10)
    with pytest.raises(InputError, match="a and b hold one identity, 0"):
        compare_sets(a, la * 0, a, la * 0)
    with pytest.raises(InputError, match="nearest = 7: a row has at most 6 others"):
        compare_sets(a, la, a, la, nearest=7)


def test_labels_of_any_size_stay_themselves():
    a, la = embedded(2, 2)
    for labels in (np.array([1, 1, 2**32 + 1, 2**32 + 1]), np.array([5, 5, 2**31 - 1, 2**31 - 1])):
        found = compare_sets(a, labels, a, labels)
        assert found.metrics().n_genuine == 8 and set(found.genuine_identity) == set(labels)


def test_more_genuine_scores_than_can_be_kept_are_refused():
    with pytest.raises(InputError, match="6 genuine scores exceed the 5"):
        compare_within(*embedded(2, 3), most_exact=5)


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from sface_lib.engine import make_accelerator
from sface_lib.matching import compare_sets, compare_within
accelerator = make_accelerator("float32")
random = np.random.default_rng(0)
a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in random.standard_normal((2, 150, 8)).astype(np.float32))
labels = random.integers(0, 9, 150)
parts = {}
for name, found in {
    "sets": compare_sets(a, labels, b, labels, 20, 3, accelerator, 5000, (16, 32)),
    "within": compare_within(a, labels, 20, 3, accelerator, 5000, (16, 32)),
}.items():
    parts |= {f"{name} counts": found.impostors.counts, f"{name} genuine": found.genuine}
    parts |= {f"{name} top": found.top_pairs.scores, f"{name} rows": found.top_pairs.a_rows}
    parts |= {f"{name} near": found.nearest[0], f"{name} columns": found.nearest[1]}
np.savez(Path(sys.argv[1]) / f"{accelerator.num_processes}-{accelerator.process_index}.npz", **parts)
"""


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.processes
def test_any_number_of_processes_finds_the_same(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    for processes in (1, 2):
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        command = [*launch, str(tmp_path / "program.py"), str(tmp_path)]
        # One thread in each: a matrix product may round otherwise with another number of threads.
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        answer = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert answer.returncode == 0, answer.stderr[-2000:]
    one, *two = (np.load(tmp_path / name) for name in ("1-0.npz", "2-0.npz", "2-1.npz"))
    for other in two:
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
