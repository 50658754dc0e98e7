"""Error rates of notebook 05: at fixed FMR, at thresholds from elsewhere, by group, in an open set."""

import numpy as np
import pytest
from trained_models import NAMES, training

from sface_lib.biometrics import fnmr_at_fmr
from sface_lib.chapters.evaluation import rates, show_rates
from sface_lib.chapters.evaluation.models import ModelEmbeddings, evaluate_all
from sface_lib.chapters.looks import Looks
from sface_lib.matching import compare_within
from sface_lib.recognition import ProtocolPairs

LOOKS = Looks([])

PERSONS, IMAGES = 60, 6
LABELS = np.repeat(np.arange(PERSONS), IMAGES)
CLS, KT, CL = NAMES[1:]
MODELS = ("raw pixels", "untrained", *NAMES)
GROUP = {k: ("one", "other")[k % 2] for k in range(PERSONS)}


def embeddings(noise: float, seed: int) -> np.ndarray:
    """Persons of the first group lie together more closely than those of the second."""
    random = np.random.default_rng(seed)
    own = random.standard_normal((PERSONS, 16))
    own[::2] += 1.0
    rows = own[LABELS] + noise * random.standard_normal((len(LABELS), 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def protocol(seed: int) -> ProtocolPairs:
    """Genuine pairs of all images with the first of their person, and as many of two persons."""
    random = np.random.default_rng(seed)
    left = np.flatnonzero(np.arange(len(LABELS)) % IMAGES)
    right = left - left % IMAGES
    other = (right + IMAGES * random.integers(1, PERSONS, len(left))) % len(LABELS)
    lefts, rights = np.tile(left, 2), np.concatenate([right, other])
    same = LABELS[lefts] == LABELS[rights]
    return ProtocolPairs(lefts, rights, same, LABELS[lefts] % 5, LABELS[lefts], LABELS[rights])


@pytest.fixture(scope="module")
def found():
    """All models on two benchmarks, the references worst."""
    noise = dict(zip(MODELS, (4.0, 3.0, 0.6, 1.2, 0.8, 1.0), strict=True))
    rows = {name: {0: embeddings(each, i)} for i, (name, each) in enumerate(noise.items())}
    embedded = ModelEmbeddings(rows, dict.fromkeys(MODELS, 32))
    return embedded, evaluate_all(embedded, {"first": protocol(0), "second": protocol(1)}, training())


def test_fnmr_is_told_at_each_rate_that_a_benchmark_can_show(found):
    """300 impostor pairs show 1 %, and neither one in a thousand nor one in ten thousand."""
    _, evaluated = found
    rows = rates.on_benchmarks(evaluated)
    assert [(row.pairs, row.fmr) for row in rows] == [(b, f) for b in ("first", "second") for f in (1e-2, 1e-3, 1e-4)]
    scored = evaluated.by_benchmark["first"][CLS].first.scored
    assert rows[0].fnmr[CLS].value == fnmr_at_fmr(scored.mated, scored.other, 0.01)[0]
    assert set(rows[1].fnmr.values()) == {None}
    table, grey = show_rates.fnmr(rows)
    assert table.columns.tolist() == ["model", "FMR", "first", "second"] and set(table["FMR"]) == {"1 %"}
    rate, place = rows[0].fnmr[CLS], table.index[table["model"] == CLS].item()
    span = rate.interval
    assert table.loc[place, "first"] == f"{100 * rate.value:.1f} [{100 * span.low:.1f}, {100 * span.high:.1f}]"
    assert (place, "first") in grey  # Three false matches set its threshold.


def test_a_threshold_from_the_first_benchmark_is_used_on_all(found):
    _, evaluated = found
    (baseline, *_) = rows = rates.elsewhere(evaluated)
    assert [(row.model, row.fmr) for row in rows] == [(name, 0.01) for name in ("baseline", CLS, KT, CL)]
    second = evaluated.by_benchmark["second"]["baseline"].first.scored
    fmr, fnmr = baseline.rates["second"]
    assert fmr.value == (second.other >= baseline.threshold).mean()
    assert fnmr.value == (second.mated < baseline.threshold).mean()
    # On the first its own error counts, as everywhere at a fixed FMR.
    first = evaluated.by_benchmark["first"]["baseline"].first.scored
    assert baseline.rates["first"][0] is None
    assert baseline.rates["first"][1].estimate.variance == first.at(0.01).estimate.variance > fnmr.estimate.variance
    table, grey = show_rates.elsewhere(rows, "first")
    assert table.columns.tolist() == ["model", "FMR on first", "threshold", "rate", "first", "second"]
    assert table["rate"].tolist() == ["FMR", "FNMR"] * 4 and set(table["first"][::2]) == {"set here"}
    assert table.loc[0, "second"].startswith(f"{100 * fmr.value:.2f} [")
    assert table.loc[1, "second"].startswith(f"{100 * fnmr.value:.1f} [")
    assert {(i, "first") for i in range(1, 8, 2)} <= set(grey)  # A few false matches set each threshold.
    for i, rate in enumerate((fmr, fnmr)):
        assert ((i, "second") in grey) == bool(rate.imprecise)


def test_all_pairs_of_the_images_give_rates_and_groups(found):
    embedded, evaluated = found
    pool = rates.pool(embedded, LABELS, GROUP, evaluated, 0)
    assert (pool.images, pool.subjects, pool.genuine) == (360, 60, 60 * 15)
    assert pool.impostor == 360 * 359 // 2 - 900
    assert [row.fmr for row in pool.rates] == [1e-2, 1e-3, 1e-4]
    comparison = compare_within(embedded.first(KT), LABELS)
    expected = fnmr_at_fmr(comparison.genuine, comparison.impostor, 0.01)[0]
    assert pool.rates[0].fnmr[KT].value == pytest.approx(expected, abs=0.01)
    assert set(pool.differentials) == {"baseline", CLS, KT, CL}
    told = pool.differentials[CLS]
    # The persons of the closer group are taken for one another far oftener, at the one threshold for all.
    one, other = told.fmr["one"].value, told.fmr["other"].value
    assert one > 5 * other and told.fmr_ratio == (None if other == 0 else pytest.approx((one / other) ** 0.5))
    assert 0 < told.garbe <= 1
    impostors = [rate.comparisons for rate in told.between.values()]
    assert sum(impostors) == pool.impostor and set(told.between) == {
        ("one", "one"),
        ("one", "other"),
        ("other", "other"),
    }


def test_the_tables_of_groups_hold_what_they_rest_on(found):
    embedded, evaluated = found
    told = rates.pool(embedded, LABELS, GROUP, evaluated, 0).differentials
    table, grey = show_rates.by_group(told)
    assert table["model"].tolist() == [name for name in told for _ in range(2)]
    assert set(table["FNMR comparisons"]) == {30 * 15} and set(table["FMR comparisons"]) == {30 * 29 // 2 * 36}
    assert set(table["FMR subjects"]) == {30} == set(table["FNMR subjects"])
    kinds = [{"FMR": each.fmr[name], "FNMR": each.fnmr[name]} for each in told.values() for name in each.fmr]
    assert grey == [(i, kind) for i, row in enumerate(kinds) for kind, rate in row.items() if rate.imprecise] != []
    assert show_rates.inequality(told)["model"].tolist() == list(told)
    figure, rows = show_rates.between_groups(told, CLS)
    assert len(rows) == 4 * 3 and figure.axes
    assert "FMR 0.1 % over all pairs" in show_rates.by_group_caption(told)


def test_without_identities_or_groups_there_is_less(found):
    embedded, evaluated = found
    assert rates.pool(embedded, None, GROUP, evaluated, 0) is None
    assert rates.pool(embedded, np.zeros(360, int), GROUP, evaluated, 0) is None
    assert rates.pool(embedded, LABELS, {}, evaluated, 0).differentials == {}
    assert rates.pool(embedded, LABELS, dict.fromkeys(range(60), "one"), evaluated, 0).differentials == {}
    assert rates.open_sets(embedded, None, MODELS, 0) == {} == rates.open_sets(embedded, np.arange(360), MODELS, 0)
    three = np.repeat(np.arange(3), 120)
    assert rates.open_sets(embedded, three, MODELS, 0) == {}
    one_of_several = np.r_[np.zeros(6, int), np.arange(1, 355)]
    assert rates.pool(embedded, one_of_several, GROUP, evaluated, 0) is None
    assert show_rates.comparisons(evaluated, None)["pairs"].tolist() == ["first", "second"]


def test_of_too_many_images_whole_identities_are_kept():
    kept = rates._whole_identities(LABELS, 0, most_images=100)
    assert len(rates._whole_identities(LABELS, 0, most_images=100, most_subjects=7)) == 42
    assert len(kept) == 96 and (np.unique(LABELS[kept], return_counts=True)[1] == IMAGES).all()
    assert (np.diff(kept) > 0).all()


def test_the_table_says_what_rates_rest_on(found):
    embedded, evaluated = found
    pool = rates.pool(embedded, LABELS, GROUP, evaluated, 0)
    table = show_rates.comparisons(evaluated, pool)
    assert table["genuine"].tolist() == [300, 300, 900] and table["impostor"].tolist() == [300, 300, pool.impostor]
    assert table["subjects"].tolist() == ["60", "60", "60"]
    assert table["FMR resolved from"][0] == "1 %" and table["precise from"][0] == "10 %"


def test_strangers_are_searched_among_half_of_the_persons(found):
    embedded, _ = found
    searched = rates.open_sets(embedded, LABELS, MODELS, 0)
    table, grey = show_rates.open_set_rates(searched)
    assert table["FPIR"].tolist() == ["10 %", "1 %"] and list(table)[1:] == list(MODELS)
    missed = searched[CLS].at(0.1)
    assert table.loc[0, CLS].startswith(f"{100 * (1 - missed.value):.1f} [")
    told = [(i, name) for i, t in enumerate((0.1, 0.01)) for name in MODELS if searched[name].at(t).imprecise]
    assert sorted(grey) == sorted(told) != []
    assert "90 images of 30 enrolled identities and 180 of 30 others" in show_rates.open_set_caption(searched)
    figure, rows = show_rates.open_set(searched, NAMES, LOOKS)
    assert set(rows["model"]) == set(MODELS) and rows["fpir"].min() == pytest.approx(3 / 180)
    last = rows[rows["model"] == "baseline"].iloc[-1]
    assert last["fpir"] == 1 and last["low"] <= last["tpir"] <= last["high"]


def test_curves_and_histograms_have_a_panel_for_each(found):
    _, evaluated = found
    figure, rows = show_rates.roc(evaluated, LOOKS)
    assert set(rows["benchmark"]) == {"first", "second"} and rows["fmr"].min() == pytest.approx(3 / 300)
    assert (rows["low"] <= rows["tmr"] + 1e-12).all() and (rows["tmr"] <= rows["high"] + 1e-12).all()
    figure, moments = show_rates.scores(evaluated, LOOKS)
    assert moments["model"].tolist() == list(MODELS) and len([ax for ax in figure.axes if ax.patches]) == 6
