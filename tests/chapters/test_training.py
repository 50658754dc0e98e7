"""Which models a report trains, on which images, and what it keeps of their training."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sface_lib.chapters.looks import Looks
from sface_lib.chapters.training import compute, show
from sface_lib.chapters.training.compute import Training, make_plan
from sface_lib.chapters.training.parameters import TrainingParameters
from sface_lib.chapters.training.plan import TrainingSet, chosen_images, plan_models
from sface_lib.data import FaceSet, open_faces, select_images
from sface_lib.errors import ParameterError
from sface_lib.files import sha256_of_file
from sface_lib.population import VERIFIER_PATH
from sface_lib.recognition import open_model
from sface_lib.run.parameters import check

LOOKS = Looks([])

SMALL = {
    "recognition_resolution_px": 32,
    "embedding_size": 32,
    "training_steps": 2,
    "recognition_batch": 8,
    "images_per_class": 4,
    "precision": "float32",
}


def parameters(**changes) -> TrainingParameters:
    return check(TrainingParameters, SMALL | changes)


@pytest.fixture(scope="module")
def sets(tmp_path_factory, rendered_zip):
    """Three identities of six authentic images, and as many classes of five synthetic ones."""
    folder = tmp_path_factory.mktemp("sets")
    return {
        "authentic": TrainingSet(open_faces(rendered_zip(folder / "authentic.zip", 3, 6, 32))),
        "synthetic": TrainingSet(open_faces(rendered_zip(folder / "synthetic.zip", 3, 5, 32, first=3))),
    }


COMPARED = ["baseline", "CLS synthetic", "KT synthetic", "CL synthetic"]


def labels(plan, model):
    return plan.sets[model.images].faces.labels[model.positions]


def test_all_that_are_compared_learn_from_equally_many_images_of_each_class(sets):
    plan = make_plan(parameters(), sets, {})
    assert [model.name for model in plan.compared] == COMPARED
    assert [np.bincount(labels(plan, model)).tolist() for model in plan.compared] == [[4, 4, 4]] * 4
    assert [model.images for model in plan.compared] == ["authentic", *["synthetic"] * 3]
    assert plan.too_few == ()


def test_the_compared_models_are_those_of_the_first_seed(sets):
    plan = make_plan(parameters(seed=7, recognition_seeds=2), sets, {})
    assert len(plan.models) == 8 and {model.seed for model in plan.compared} == {7}


def test_a_filtered_set_with_too_few_images_or_one_class_is_set_apart_and_told(sets):
    one_class = np.flatnonzero(sets["synthetic"].faces.labels == 1)
    filtered = {0.5: np.arange(15), 0.2: np.arange(3), 0.1: one_class}
    plan = make_plan(parameters(recognition_batch=4), sets, filtered)
    assert [model.name for model in plan.models[4:]] == ["CLS synthetic filtered 0.5"]
    assert [model.name for model in plan.too_few] == ["CLS synthetic filtered 0.2", "CLS synthetic filtered 0.1"]
    said = show.left_out(plan, plan.too_few[1], 4)
    assert said.startswith("CLS synthetic filtered 0.1: 4 images of 1 classes are left")


def rows(*accuracies):
    """A log of a row every ten steps, with an accuracy where there is one."""
    return tuple(
        {"step": 10 * i, "loss": 1 / i, "images_per_second": 5.0} | ({} if a is None else {"accuracy": a})
        for i, a in enumerate(accuracies, start=1)
    )


def test_accuracies_are_those_of_the_steps_that_were_validated():
    assert Training(1.0, rows(None, 0.6, None, 0.7)).accuracies == ((20, 0.6), (40, 0.7))
    assert Training(1.0, rows(None, None)).accuracies == ()


def trainings(plan, *accuracies):
    return {model.file: Training(2.5, rows(*accuracies)) for model in plan.models}


def test_a_row_tells_what_a_model_learnt_from_and_how_its_training_ended(sets):
    plan = make_plan(parameters(recognition_batch=4), sets, {0.5: np.arange(12)})
    table = show.models(plan, trainings(plan, None, None)).set_index("model")
    assert table["learns from"].tolist() == ["labels", "labels", "teacher", "labels and teacher", "labels"]
    assert table["images"].tolist() == ["authentic", *["synthetic"] * 3, "synthetic, filtered"]
    assert table.loc["baseline", ["number", "classes", "steps", "last loss", "images/s", "seconds"]].tolist() == [
        *(12, 3, 20, 0.5, 5.0, 2.5)
    ]
    assert table.loc["CLS synthetic filtered 0.5", "number"] == 10  # Of the third class the first two images are left.


def test_validation_is_drawn_only_where_it_was_taken(sets):
    plan = make_plan(parameters(), sets, {})
    assert show.validation(plan, trainings(plan, None, None), LOOKS) is None
    figure, numbers = show.validation(plan, trainings(plan, 0.5, None, 0.75), LOOKS)
    assert [line.get_ydata().tolist() for line in figure.axes[0].lines[:4]] == [[0.5, 0.75]] * 4
    assert numbers[["step", "accuracy", "model"]].iloc[:2].to_numpy().tolist() == [
        [10, 0.5, "baseline"],
        [30, 0.75, "baseline"],
    ]


def test_losses_have_a_panel_for_each_compared_model_alone(sets):
    plan = make_plan(parameters(sweep_images_per_class="3"), sets, {})
    assert len(plan.models) == 8
    figure, numbers = show.losses(plan, trainings(plan, None, None, None), LOOKS)
    assert len(figure.axes) == 4 and numbers["model"].unique().tolist() == COMPARED


def test_the_teacher_is_named_by_its_training_data():
    given = compute.given_teacher(parameters(teacher=str(VERIFIER_PATH)))
    assert given.fingerprint == open_model(VERIFIER_PATH).fingerprint
    assert compute.teacher_in_words(given) == f"the model given ({given.description['trained_on']})"
    assert compute.given_teacher(parameters()) is None
    assert compute.teacher_in_words(None) == "the authentic baseline of this run"


class Folder:
    """As much of a stage as training needs."""

    def __init__(self, folder, p):
        self.folder, self.parameters = folder, p

    def output(self, name):
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    def scratch(self, name):
        (self.folder / "work" / name).mkdir(parents=True, exist_ok=True)
        return self.folder / "work" / name


@pytest.mark.slow
def test_the_baseline_of_each_seed_teaches_its_own_kt_and_cl(tmp_path, sets, monkeypatch):
    taught, train = [], compute.train_recognition

    def remember(p, strategy, data, work, seed, teacher, judged_on):
        taught.append((strategy, seed, teacher and teacher.fingerprint))
        return train(p, strategy, data, work, seed, teacher, judged_on)

    monkeypatch.setattr(compute, "train_recognition", remember)
    stage = Folder(tmp_path, parameters(recognition_seeds=2))
    plan = make_plan(stage.parameters, sets, {})
    found = compute.train_all(stage, plan, None)
    baselines = {
        seed: open_model(tmp_path / f"weights/baseline-seed-{seed}.safetensors").fingerprint for seed in (0, 1)
    }
    assert taught == [
        (strategy, seed, baselines[seed] if strategy in ("KT", "CL") else None)
        for seed in (0, 1)
        for strategy in ("CLS", "CLS", "KT", "CL")
    ]
    assert (tmp_path / "weights/untrained.safetensors").exists() and len(found) == 8
    kept = compute.results(stage, plan, found, None)
    assert (kept.models[0].images, kept.models[0].classes, kept.steps, len(kept.models)) == (12, 3, 2, 8)
    assert kept.teacher_sha256 == sha256_of_file(tmp_path / "weights/baseline-seed-0.safetensors")
    assert all((tmp_path / model.file).exists() and model.images == 12 for model in kept.models)
    assert kept.image_px == {"authentic": 32, "synthetic": 32}


@pytest.mark.slow
def test_every_image_is_hashed_and_decoded_once_for_all_models(tmp_path, sets, monkeypatch):
    """Two seeds, a sweep and a filtered set share what they learn from."""
    p = parameters(recognition_seeds=2, sweep_images_per_class="3", training_steps=1)
    opened = {name: TrainingSet(open_faces(each.faces.path)) for name, each in sets.items()}
    plan = make_plan(p, opened, {0.5: np.arange(9)})
    decoded, read = Counter(), Counter()
    monkeypatch.setattr(compute, "write_untrained", lambda stage, faces: None)  # It looks at some of them, too.
    pixels, contents = FaceSet._pixels, FaceSet._bytes
    monkeypatch.setattr(FaceSet, "_pixels", lambda s, i: decoded.update([(s.path, s.names[i])]) or pixels(s, i))
    monkeypatch.setattr(FaceSet, "_bytes", lambda s, i: read.update([(s.path, s.names[i])]) or contents(s, i))
    compute.train_all(Folder(tmp_path, p), plan, open_model(VERIFIER_PATH))
    faces = {name: each.faces for name, each in plan.sets.items()}
    used = {(faces[m.images].path, faces[m.images].names[i]) for m in plan.models for i in m.positions}
    assert len(plan.models) > 10 and decoded.keys() == used
    # The teacher sees what KT and CL learn from at a size of its own.
    assert {path.name: count for (path, _), count in decoded.items()} == {"authentic.zip": 1, "synthetic.zip": 2}
    assert read == {image: 1 + count for image, count in decoded.items()}  # And once to be hashed.


def test_validation_judges_on_the_first_benchmark_only_without_identities_kept_aside():
    study = SimpleNamespace(evaluated=("faces", {"first": "pairs", "second": "more"}))

    def judged_on(**changes):
        return compute.validation_pairs(parameters(**changes), study)

    assert judged_on(validation_interval_steps=1) == ("faces", "pairs")
    assert judged_on() is None and judged_on(validation_interval_steps=1, validation_identities=2) is None
    assert "first benchmark" in show.validation_caption(parameters())
    assert "on 2 training identities" in show.validation_caption(parameters(validation_identities=2))


# Several sets


def of_sizes(*sizes, kind="authentic"):
    """A set of classes of these sizes; only its labels are asked for."""
    return TrainingSet(SimpleNamespace(labels=np.repeat(np.arange(len(sizes)), sizes)), kind)


def sizes_of(sets, chosen):
    return {name: np.bincount(sets[name].faces.labels[rows]).tolist() for name, rows in chosen.items()}


def test_one_set_of_the_authentic_classes_is_matched_class_by_class():
    """The rule of a single set, stated anew: of class k as many of its first images as authentic images were drawn."""
    sets = {"authentic": of_sizes(7, 2, 5), "generated": of_sizes(6, 6, 6)}
    found = chosen_images(parameters(), sets)
    authentic, drawn = (each.faces.labels for each in sets.values())
    counts = [min(4, n) for n in (7, 2, 5)]
    assert np.bincount(authentic[found["authentic"]]).tolist() == counts
    assert found["generated"].tolist() == [i for k in range(3) for i in np.flatnonzero(drawn == k)[: counts[k]]]
    np.testing.assert_array_equal(found["authentic"], select_images(authentic, 1, 4, seed=0))


def test_all_sets_are_cut_to_the_smallest():
    """Authentic classes of 4, 2, 4 images after the cap; the labelled set lacks one of class 2; own classes 3, 4."""
    sets = {
        "authentic": of_sizes(7, 2, 5),
        "labelled": of_sizes(6, 6, 3, 6),
        "own": of_sizes(1, 3, 9, kind="own"),
    }
    found = sizes_of(sets, chosen_images(parameters(), sets))
    # In order of size: 4, 3, 2 by identity and 9, 3, 1 of its own, so 4, 3, 1 are left of each.
    assert found == {"authentic": [4, 1, 3], "labelled": [4, 1, 3], "own": [1, 3, 4]}
    fewer = sets | {"own": of_sizes(5, 5, kind="own")}
    assert sizes_of(fewer, chosen_images(parameters(), fewer))["authentic"] == [4, 0, 3]
    whole = chosen_images(parameters(set_size="own"), sets)
    assert sizes_of(sets, whole) == {"authentic": [4, 2, 4], "labelled": [4, 4, 3, 4], "own": [1, 3, 4]}


def test_every_set_with_labels_trains_cls_and_those_that_are_named_train_kt_and_cl():
    sets = {"authentic": of_sizes(4, 4), "a": of_sizes(4, 4), "b": of_sizes(4, 4, kind="own")}
    sets["c"] = TrainingSet(type("Images", (), {"labels": None, "__len__": lambda self: 20})(), "none")

    def planned(**changes):
        return [model.name for model in plan_models(parameters(**changes), sets, {})]

    assert planned() == ["baseline", "CLS a", "KT a", "CL a", "CLS b"]
    assert planned(teach_sets="b, c") == ["baseline", "CLS a", "CLS b", "KT b", "CL b", "KT c"]
    swept = planned(teach_sets="b,c", sweep_images_per_class="2")
    assert swept[6:] == ["baseline 2", "CLS b 2", "KT b 2", "CL b 2"]
    with pytest.raises(ParameterError, match="teach_sets names 'd', which is no synthetic set; choose of a, b, c"):
        planned(teach_sets="d")
    (unlabelled,) = [m for m in plan_models(parameters(teach_sets="c"), sets, {}) if m.images == "c"]
    assert len(unlabelled.positions) == 8  # As many in all as the others have.


def test_a_set_that_leaves_too_little_for_all_is_refused_with_the_remedy(sets):
    few = {**sets, "few": TrainingSet(sets["synthetic"].faces.subset([0, 1, 5]), "own")}
    with pytest.raises(ParameterError, match="recognition_batch = 8 is more than the 3 images that each set gives"):
        make_plan(parameters(), few, {})
    plan = make_plan(parameters(set_size="own"), few, {})
    assert [model.name for model in plan.too_few] == ["CLS few"]
    assert "Each set is used whole" in show.set_sizes(plan, parameters(set_size="own"))


def test_the_page_says_how_large_all_sets_are(sets):
    plan = make_plan(parameters(), sets, {})
    assert (
        show.set_sizes(plan, parameters()) == "All sets are cut to the size of the smallest: 3 classes and 12 images."
    )


def test_the_sentence_counts_models_seeds_and_images(sets):
    plan = make_plan(parameters(recognition_seeds=2), sets, {})
    said = show.what_was_trained(plan, parameters(recognition_seeds=2), "the model given")
    assert said.startswith(
        "8 models, of 2 seeds. The 4 to be compared saw up to 16 images in 2 steps, baseline from 12 images"
    )
    assert "The teacher of KT and CL is the model given; it has seen authentic faces" in said


# Networks that are given


def test_a_network_that_is_given_takes_the_place_of_cls_and_of_the_baseline():
    sets = {"authentic": of_sizes(4, 4), "a": of_sizes(4, 4), "b": of_sizes(4, 4, kind="own")}

    def planned(given, **changes):
        own = {name: replace(each, model="weights" * (name in given)) for name, each in sets.items()}
        if "authentic" in given:
            changes["baseline_model"] = str(VERIFIER_PATH)
        return [model.name for model in plan_models(parameters(**changes), own, {})]

    # The first set without a network of its own is taught, unless another one is named.
    assert planned("a") == ["baseline", "CLS b", "KT b", "CL b"]
    assert planned("a", teach_sets="a") == ["baseline", "KT a", "CL a", "CLS b"]
    assert planned(("authentic", "a", "b")) == []
    assert planned(("authentic", "a"), sweep_images_per_class="2")[3:] == ["CLS b 2", "KT b 2", "CL b 2"]
    assert planned((), train=False) == []


def test_a_set_that_nothing_is_trained_on_does_not_cut_the_others():
    sets = {"authentic": of_sizes(4, 4), "a": of_sizes(4, 4), "b": replace(of_sizes(2, 2, kind="own"), model="weights")}
    assert {len(model.positions) for model in plan_models(parameters(), sets, {})} == {8}


def test_a_filtered_set_is_not_trained_on_where_its_network_was_given():
    sets = {"authentic": of_sizes(4, 4), "a": replace(of_sizes(4, 4), model="weights"), "b": of_sizes(4, 4)}
    names = [model.name for model in plan_models(parameters(), sets, {0.5: np.arange(4)})]
    assert names == ["baseline", "CLS b", "KT b", "CL b"]


def test_given_networks_are_handed_on_with_their_files_and_nothing_is_trained(tmp_path, sets):
    p = parameters(train=False, baseline_model=str(VERIFIER_PATH))
    given = {name: replace(each, model=str(VERIFIER_PATH)) for name, each in sets.items()}
    stage, plan = Folder(tmp_path, p), make_plan(p, given, {})
    found = compute.train_all(stage, plan, compute.given_teacher(p))
    assert found == {} and (tmp_path / "weights/untrained.safetensors").exists()
    kept = compute.results(stage, plan, found, None)
    assert [(m.name, m.strategy, m.trained_on, m.images) for m in kept.models] == [
        ("baseline", "given", "authentic", 18),
        ("given synthetic", "given", "synthetic", 15),
    ]
    assert {(m.file, m.sha256) for m in kept.models} == {(str(VERIFIER_PATH), sha256_of_file(VERIFIER_PATH))}
    assert kept.teacher_sha256 is None
    table = show.given_models(plan)
    assert table["model"].tolist() == ["baseline", "given synthetic"]
    assert show.set_sizes(plan, p).endswith("stand for authentic, synthetic. Nothing is trained.")
    assert show.what_was_trained(plan, p, "").startswith("Nothing was trained; 2 networks were given")


def test_a_given_baseline_teaches(tmp_path, sets):
    p = parameters(baseline_model=str(VERIFIER_PATH))
    given = sets | {"authentic": replace(sets["authentic"], model=str(VERIFIER_PATH))}
    teacher = compute.given_teacher(p)
    assert teacher.fingerprint == open_model(VERIFIER_PATH).fingerprint
    stage, plan = Folder(tmp_path, p), make_plan(p, given, {})
    kept = compute.results(stage, plan, compute.train_all(stage, plan, teacher), teacher)
    assert [m.name for m in kept.models] == COMPARED and kept.teacher_sha256 == sha256_of_file(VERIFIER_PATH)


def test_nothing_to_train_and_nothing_given_is_refused(sets):
    with pytest.raises(ParameterError, match="train = False and no model is given .* go on with notebook 06"):
        make_plan(parameters(train=False), sets, {})


# Authentic images among synthetic ones


def mixed(sets, share, **changes):
    """For the set "a" at one share: labels of the synthetic and of the authentic images of the mixed model."""
    (model,) = [m for m in plan_models(parameters(mix=f"{share}", **changes), sets, {}) if m.mix and m.images == "a"]
    own, authentic = sets["a"].faces.labels, sets["authentic"].faces.labels
    behind = model.positions >= len(own)
    assert model.name == f"CLS a mixed {share:g}" and len(np.unique(model.positions)) == len(model.positions)
    return own[model.positions[~behind]], authentic[model.positions[behind] - len(own)]


TEN = {"authentic": of_sizes(*[5] * 10), "a": of_sizes(*[4] * 10)}


def test_whole_identities_take_the_place_of_the_classes_that_stand_for_them():
    synthetic, authentic = mixed(TEN, 0.3)
    assert sorted(np.bincount(authentic)[np.unique(authentic)]) == [4, 4, 4]
    assert len(synthetic) == 28 and set(synthetic) == set(range(10)) - set(authentic)


def test_a_larger_share_has_the_same_identities_and_more():
    assert set(mixed(TEN, 0.2)[1]) < set(mixed(TEN, 0.5)[1])
    assert len(mixed(TEN, 0.5)[0]) == len(mixed(TEN, 0.5)[1]) == 20


def test_of_a_set_of_its_own_identities_any_classes_give_way():
    sets = {"authentic": of_sizes(*[5] * 10), "a": of_sizes(*[4] * 12, kind="own")}
    synthetic, authentic = mixed(sets, 0.2)
    assert len(np.unique(authentic)) == 2 and len(np.unique(synthetic)) == 8
    assert len(synthetic) + len(authentic) == 40


def test_the_total_is_unchanged_where_classes_differ_in_size():
    sets = {"authentic": of_sizes(5, 3, 2, 5), "a": of_sizes(7, 4, 6, 5, kind="own")}
    synthetic, authentic = mixed(sets, 0.4, set_size="own", images_per_class=10)
    assert len(synthetic) + len(authentic) == 22
    assert (
        np.bincount(authentic).tolist()
        == [n if k in authentic else 0 for k, n in enumerate((5, 3, 2, 5))][: authentic.max() + 1]
    )


def test_more_authentic_images_than_there_are_is_refused():
    sets = {"authentic": of_sizes(2, 2), "a": of_sizes(*[4] * 10, kind="own")}
    with pytest.raises(
        ParameterError, match="mix = 0.5 of the 40 images of a needs 20 authentic images, and there are 4"
    ):
        plan_models(parameters(mix="0.5", set_size="own"), sets, {})


@pytest.mark.parametrize("wrong", ["0", "1", "0.1; 0.2", "1.5", "half"])
def test_shares_that_are_none_are_refused(wrong):
    with pytest.raises(ParameterError, match="mix"):
        parameters(mix=wrong)


@pytest.mark.slow
def test_a_mixed_model_learns_from_both_sets_as_other_classes(tmp_path, sets):
    p = parameters(mix="0.34", recognition_batch=4)
    stage, plan = Folder(tmp_path, p), make_plan(p, sets, {})
    (model,) = [m for m in plan.models if m.mix is not None]
    images = plan.images(model)
    assert plan.classes(model) == len(images.identities) == 3 and len(images) == 12
    assert [name.split("/")[0] for name in images.identities] == ["synthetic", "synthetic", "authentic"]
    (authentic,) = np.flatnonzero([name.startswith("authentic") for name in images.identities])
    first = images.subset(np.flatnonzero(images.labels == authentic)[:1])
    whole = sets["authentic"].faces
    at = whole.names.index(first.names[0].split("/", 1)[1])
    assert torch.equal(first.load(), whole.load([at]))
    kept = compute.results(stage, plan, compute.train_all(stage, plan, None), None)
    (told,) = [m for m in kept.models if m.mix is not None]
    assert (told.images, told.classes, told.mix, told.compared) == (12, 3, 0.34, False)
    assert "synthetic, 34 % authentic" in show.models(plan, trainings(plan, None))["images"].tolist()
