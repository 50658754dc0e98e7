"""What notebook 02 says of a set of faces, and how it is shown."""

import dataclasses
import importlib.util
import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from sface_lib.chapters.generation import compute, show
from sface_lib.chapters.generation import describe as module
from sface_lib.chapters.generation.describe import Distinct, SetDescription, measure_reference, sample_images
from sface_lib.chapters.looks import Looks
from sface_lib.chapters.setspec import SetSpec
from sface_lib.chapters.synthetic import SyntheticSet
from sface_lib.data import encode_png, open_faces, write_encoded, write_faces
from sface_lib.data.landmarks import load_models
from sface_lib.engine import make_accelerator
from sface_lib.errors import BadImageError, InputError, ParameterError
from sface_lib.population import VERIFIER_PATH
from sface_lib.recognition import Embedder, open_model
from sface_lib.run.results import as_plain, from_plain

pytestmark = pytest.mark.slow

PERSONS, IMAGES, PX = 50, 8, 64


@pytest.fixture(scope="module")
def authentic(tmp_path_factory, rendered_zip):
    """Fifty rendered persons, enough for an FMR of 0.1 % between them, with eight images each."""
    return open_faces(rendered_zip(tmp_path_factory.mktemp("sets") / "authentic.zip", PERSONS, IMAGES, PX))


@pytest.fixture(scope="module")
def pixels(authentic):
    return authentic.load().numpy()


@pytest.fixture(scope="module")
def by(tmp_path_factory):
    """The verifier, and an embedder that knows an image again."""
    embedder = Embedder(make_accelerator("float32"), tmp_path_factory.mktemp("embeddings"))
    return {"verifier": open_model(VERIFIER_PATH), "embedder": embedder, "seed": 0}


@pytest.fixture(scope="module")
def reference(authentic, by):
    return measure_reference(authentic, **by)


@pytest.fixture
def describe(tmp_path, reference, by):
    """Describe a set, or images uint8 `[N, 3, S, S]` with their labels; looking for eyes takes 20 ms an image."""

    def of(given, labels=None, eye_images=20, **more) -> SetDescription:
        faces = given
        if isinstance(given, np.ndarray):
            faces = open_faces(write_faces(tmp_path / f"{len(list(tmp_path.iterdir()))}.zip", given, labels))
        return module.describe(faces, reference=reference, eye_images=eye_images, **by, **more)

    return of


# Describing


def test_the_authentic_set_is_what_it_is_held_against(authentic, describe):
    found = describe(authentic)
    assert (found.images, found.classes, found.sampled, found.undecodable) == (400, PERSONS, 400, 0)
    assert found.sizes_px == {"64x64": 1.0}
    assert (found.copies, found.near_copies) == (0, 0) and 0.95 < found.near_copy_score < 1
    assert found.sharpness == pytest.approx(1) and found.diversity == pytest.approx(1)
    assert found.eer < 0.08 and (found.scored_images, found.scored_classes) == (400, PERSONS)
    assert 0.5 < found.consistency < 0.9
    assert (found.several_persons, found.judged_classes) == (0, PERSONS)
    (distinct,) = found.distinct  # A false link for every twentieth class is more than 0.1 % of the pairs make.
    assert (distinct.fmr, distinct.images, distinct.compared) == (0.001, 5, PERSONS)
    assert distinct.identities == distinct.of_compared == distinct.of_authentic == PERSONS - 1  # One link of 1225.
    assert distinct.false_links == pytest.approx(1.225) and distinct.recognised is None  # It takes ten images.


def test_results_can_be_written_and_read_back(authentic, describe):
    found = describe(authentic)
    assert from_plain(as_plain(found, SetDescription), SetDescription) == found


def test_copies_are_counted_by_bytes_and_near_copies_by_score(pixels, describe):
    brighter = np.minimum(pixels[:20].astype(int) + 2, 255).astype(np.uint8)
    found = describe(np.concatenate([pixels[:160], pixels[:20], brighter]), np.arange(200) // 8)
    assert found.copies == pytest.approx(0.1) and found.near_copies == pytest.approx(0.2, abs=0.01)


def test_persons_who_stand_in_two_classes_are_counted_once(pixels, describe):
    """Every class is halved, so that each person stands in two."""
    (found, *_) = describe(pixels, np.arange(400) // 4).distinct
    assert (found.classes, found.images, found.compared) == (100, 4, PERSONS)
    assert found.identities == pytest.approx(49, abs=3)
    assert found.of_compared < found.of_authentic


def test_a_lower_rate_is_taken_where_false_links_would_be_many(pixels, describe):
    plain, lower = describe(pixels, np.arange(400) // 8, fmr=0.05).distinct
    assert (plain.fmr, lower.fmr) == (0.05, 2 * module.FALSE_LINKS / PERSONS)
    assert lower.false_links == pytest.approx(module.FALSE_LINKS * PERSONS, rel=0.03)  # K - 1 instead of K.
    assert plain.identities < lower.identities


def test_a_rate_that_the_authentic_persons_cannot_show_is_left_out(pixels, describe):
    """Two hundred classes ask for an FMR of 0.05 %, and fifty persons make 1,225 pairs."""
    (found,) = describe(pixels, np.arange(400) // 2).distinct
    assert (found.fmr, found.classes, found.images) == (0.001, 200, 2)


def test_classes_of_two_persons_are_found(pixels, describe):
    half = np.where(np.arange(400) % 2 == 0, np.arange(400) // 8, (np.arange(400) // 8 + 1) % PERSONS)
    assert describe(pixels, half).several_persons >= 0.9


def test_shuffled_labels_tell_nobody_apart(pixels, describe):
    found = describe(pixels, np.random.default_rng(0).permutation(400) // 8)
    assert found.eer == pytest.approx(0.5, abs=0.05) and abs(found.consistency) < 0.1
    assert found.several_persons > 0.9


def test_a_class_that_shows_one_picture_has_no_diversity(pixels, describe):
    found = describe(pixels[np.arange(400) // 8 * 8], np.arange(400) // 8)
    assert found.diversity == pytest.approx(0, abs=1e-6) and found.copies == pytest.approx(7 / 8)
    assert found.eer < 0.01 and found.several_persons == 0


def test_blurred_images_are_less_sharp(pixels, describe):
    small = torch.nn.functional.interpolate(torch.from_numpy(pixels).float(), scale_factor=0.25, mode="area")
    blurred = torch.nn.functional.interpolate(small, size=PX, mode="bicubic").clamp(0, 255).byte().numpy()
    assert describe(blurred, np.arange(400) // 8).sharpness < 0.3


def test_without_labels_nothing_is_said_of_identities(pixels, describe):
    found = describe(pixels[:60])
    assert (found.images, found.classes, found.sampled, found.distinct) == (60, None, 60, ())
    assert {found.eer, found.consistency, found.diversity, found.several_persons} == {None}
    assert (found.scored_images, found.scored_classes, found.judged_classes) == (0, 0, 0)
    assert found.copies == 0 and found.sharpness > 0 and found.looked_at == 20


def test_classes_of_one_image_have_no_pairs(pixels, describe):
    found = describe(pixels[::8], np.arange(PERSONS))
    assert {found.eer, found.consistency, found.diversity, found.several_persons} == {None}
    assert found.distinct[0].images == 1 and found.distinct[0].classes == PERSONS


def test_too_few_authentic_persons_show_no_rate(pixels, reference, describe):
    few = reference.labels < 12
    reference = dataclasses.replace(reference, embeddings=reference.embeddings[few], labels=reference.labels[few])
    assert reference.most_images(0.001) is None and reference.most_images(0.05) == 5
    assert module._distinct(np.zeros((0, 4)), None, np.zeros(0, bool), None, reference, 0) == ()


def test_templates_are_of_exactly_so_many_images_and_the_later_ones_of_others(reference):
    short = np.ones(len(reference.labels), bool)
    short[3:8] = False  # The first person keeps three images.
    short = dataclasses.replace(reference, embeddings=reference.embeddings[short], labels=reference.labels[short])
    assert short.persons(4).tolist() == list(range(1, PERSONS)) and len(short.templates(4)) == PERSONS - 1
    for later in (False, True):
        rows = reference.embeddings[8 + 3 * later : 11 + 3 * later].astype(np.float64).mean(0)
        np.testing.assert_allclose(short.templates(3, later)[1 - later], rows / np.linalg.norm(rows), atol=1e-6)
    assert reference.recognised(4, -1) == 1 and reference.recognised(4, 1.1) == 0
    assert short.recognised(3, 0.2) > 0.95 and reference.recognised(5, 0.2) is None


def test_images_that_cannot_be_decoded_stop_or_are_counted(tmp_path, authentic, describe):
    files = [authentic.encoded(i) for i in range(80)]
    files[3] = files[3][:200]
    path = write_encoded(tmp_path / "set", files, np.arange(80) // 8)
    with pytest.raises(BadImageError, match="1 image that cannot be decoded"):
        describe(open_faces(path))
    found = describe(open_faces(path, on_bad_image="skip"))
    assert (found.images, found.sampled, found.inspected, found.undecodable) == (80, 79, 80, 1)


def test_a_set_of_damaged_images_alone_is_refused(tmp_path, describe):
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(stream, "PNG")
    path = write_encoded(tmp_path / "set", [stream.getvalue()] * 2, [0, 1])
    for file in path.rglob("*.png"):
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(InputError, match="none of 2 images can be decoded; give another set"):
        describe(open_faces(path, on_bad_image="skip"))


def test_eyes_that_are_moved_are_not_in_place(pixels, describe):
    """A fifth of the eyes' distance is 4 of 64 px."""
    placed, moved = (describe(np.roll(pixels[:100], by, 2), eye_images=60) for by in (0, 10))
    assert placed.looked_at == 60 and placed.without_eyes < 0.5  # Turned and masked faces are among them.
    assert moved.without_eyes > 0.95


def test_eyes_of_aligned_photographs_are_in_place_and_those_of_others_are_not(real_data):
    aligned, others = open_faces(real_data / "lfw112.tar"), open_faces(real_data / "lfw250_sample")
    some = np.arange(0, len(aligned), 133)
    assert module._without_eyes(aligned.subset(some), 500, 0)[0] < 0.15
    assert module._without_eyes(others, 500, 0)[0] > 0.8


def test_without_the_extra_eyes_are_not_measured(pixels, describe, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "dlib" else find(name, *rest))
    load_models.cache_clear()
    found = describe(pixels[:10])
    load_models.cache_clear()
    assert (found.without_eyes, found.looked_at) == (None, 0)


def test_large_sets_are_sampled_by_whole_classes(authentic, describe):
    chosen, again, other = (sample_images(authentic, 6, seed, 100) for seed in (0, 0, 1))
    labels, counts = np.unique(authentic.labels[chosen], return_counts=True)
    assert (counts == 6).all() and len(labels) == 16 and (np.diff(chosen) > 0).all()
    assert set(labels) != set(authentic.labels[other]) and np.array_equal(chosen, again)
    found = describe(authentic, limits=module.Limits(sampled=100))
    assert (found.sampled, found.judged_classes, found.classes, found.images) == (96, 12, PERSONS, 400)
    assert (found.distinct[0].classes, found.distinct[0].images) == (PERSONS, 2)  # All classes, by fewer images.
    assert found.inspected == 96 + 2 * (PERSONS - 12)  # Templates take two images of each of the other classes.


def test_sizes_are_those_of_the_sample_alone(tmp_path, pixels, describe):
    """Two sizes in equal number; the images that only templates need would tip the scales."""
    labels = np.arange(400) // 8
    files = [
        encode_png(image if label % 2 else image[:, ::2, ::2]) for image, label in zip(pixels, labels, strict=True)
    ]
    faces = open_faces(write_encoded(tmp_path / "set", files, labels))
    only = int(labels[sample_images(faces, 8, 0, 8)[0]])
    assert describe(faces, limits=module.Limits(sampled=8)).sizes_px == {"64x64" if only % 2 else "32x32": 1.0}


def test_the_pairs_of_a_sample_are_bounded_and_their_classes_drawn_at_random(authentic, by, describe, monkeypatch):
    """Were they the first ones, the EER would be that of the first twelve classes."""
    seen, limits = [], module.Limits(scored=100)
    compare = module.compare_within
    monkeypatch.setattr(module, "compare_within", lambda rows, labels: seen.append(rows) or compare(rows, labels))
    found, again = (describe(authentic, limits=limits) for _ in range(2))
    assert (found.scored_images, found.scored_classes) == (96, 12)
    np.testing.assert_array_equal(*seen)
    everything = by["embedder"].embed(by["verifier"], authentic)
    compared = {int(authentic.labels[np.argmax(everything @ row)]) for row in seen[0]}
    assert len(compared) == 12 and max(compared) >= 24 and again.eer == found.eer


def test_diversity_is_of_classes_drawn_at_random(pixels, describe):
    """The first half of the classes shows one picture each."""
    labels = np.arange(400) // 8
    still = pixels[np.where(labels < 25, labels * 8, np.arange(400))]
    assert 0.2 < describe(still, labels, limits=module.Limits(varied_classes=20)).diversity < 0.8


# Vectors in the place of a verifier


@pytest.fixture
def vectors(tmp_path, by):
    """The vectors of sets of faces, as a judge; some may be left out."""

    def of(*sets, left_out=0):
        names = [f"{faces.path.stem}/{name}" for faces in sets for name in faces.names]
        rows = np.concatenate([by["embedder"].embed(by["verifier"], faces) for faces in sets])
        count = len(names) - left_out
        np.savez(tmp_path / "judge.npz", files=np.array(names)[:count], vectors=rows[:count])
        return tmp_path / "judge.npz"

    return of


@pytest.mark.nightly
def test_vectors_describe_what_the_model_that_made_them_does_but_for_near_copies(tmp_path, authentic, by, vectors):
    """Sizes are mixed, as no model says at which one pixels are compared."""
    pixels = authentic.load(range(200)).numpy()
    files = [encode_png(image[:, ::2, ::2] if i % 8 == 0 else image) for i, image in enumerate(pixels)]
    own = open_faces(write_encoded(tmp_path / "own", [*files[:-1], files[0]], np.arange(200) // 8))
    found = {}
    for name, path in {"model": VERIFIER_PATH, "vectors": vectors(authentic, own)}.items():
        study = SimpleNamespace(training=authentic, verifier=path)
        p = SimpleNamespace(seed=0, eye_images=20)
        found[name], failed = compute.describe_all(p, study, [SyntheticSet("own", own, "own")], by["embedder"])
        assert failed == {}
    assert list(found["vectors"]) == ["authentic", "own"]
    for name, given in found["vectors"].items():
        made = found["model"][name]
        assert (given.near_copies, given.near_copy_score) == (None, None) and made.near_copies is not None
        assert given.eer == pytest.approx(made.eer, abs=1e-3) and given.several_persons == made.several_persons
        assert (given.copies, given.sizes_px, given.sharpness) == (made.copies, made.sizes_px, made.sharpness)
        assert len(given.distinct) == len(made.distinct) and given.diversity > 0
    assert found["vectors"]["own"].copies == pytest.approx(1 / 200)
    assert "which vectors do not" in show.descriptions_caption(found["vectors"], 20)
    assert show.descriptions(found["vectors"], {})[0]["near copies (%)"].isna().all()
    _, numbers = show.described(found["vectors"], Looks([]))
    assert numbers["near copies (%)"].isna().all()


def test_vectors_that_lack_an_image_are_refused_before_anything_is_computed(tmp_path, authentic, vectors):
    files = [encode_png(image) for image in authentic.load(range(16)).numpy()]
    folder = write_encoded(tmp_path / "own", files, np.arange(16) // 8)
    for file in list(folder.rglob("*.png")):
        file.rename(file.with_name(f"own-{file.name}"))  # Else the last part of a name would find its authentic twin.
    (folder / "dataset.json").unlink(missing_ok=True)
    own = open_faces(folder)
    spec = SetSpec(name="own", path=str(own.path))
    study = SimpleNamespace(training=authentic, open_set=lambda spec: SyntheticSet(spec.name, own, spec.labels))
    p = SimpleNamespace(synthetic=(spec,), generates=False, total_kimg=0)
    study.verifier = vectors(authentic, own)
    compute.check_inputs(p, study)
    study.verifier = vectors(authentic, own, left_out=1)
    with pytest.raises(InputError, match=r"lacks 1 of 16 images of '.*own', the first being .* give a vector"):
        compute.check_inputs(p, study)
    p.synthetic, p.generates = (*p.synthetic, SetSpec(name="generated")), True
    with pytest.raises(InputError, match=r"verifier = '.*judge.npz' holds vectors .* or leave 'generated' out of"):
        compute.check_inputs(p, study)
    study.verifier = VERIFIER_PATH
    compute.check_inputs(p, study)


def test_a_generators_batch_is_no_larger_than_what_it_is_trained_on(authentic):
    study = SimpleNamespace(training=authentic, verifier=VERIFIER_PATH)
    p = SimpleNamespace(synthetic=(), generates=True, total_kimg=1, generator_batch=len(authentic) + 1)
    with pytest.raises(ParameterError, match=f"generator_batch = {len(authentic) + 1} is more than the"):
        compute.check_inputs(p, study)
    for unused in ({"generates": False}, {"total_kimg": 0}, {"generator_batch": len(authentic)}):
        compute.check_inputs(SimpleNamespace(**vars(p) | unused), study)


# Showing


def said_to_be(name="own", unmatched=(), labels="own", **given) -> SyntheticSet:
    return SyntheticSet(name, SimpleNamespace(labels=np.arange(40) // 2), labels, unmatched=unmatched, **given)


def test_credit_and_licence_stand_beside_a_set_where_any_has_them():
    plain = show.origins([said_to_be("a"), said_to_be("b", exposed=False)])
    assert plain.columns.tolist() == ["set", "a class is", "generator saw the authentic set"]
    assert plain.iloc[:, 2].tolist() == ["not ruled out", "no"]
    table = show.origins([said_to_be("a", licence="CC BY 4.0"), said_to_be("b"), said_to_be("generated")])
    assert table["licence"].tolist() == ["CC BY 4.0", "", ""] and "credit" not in table
    assert table.iloc[2, 2] == "yes"


def test_classes_without_a_training_identitys_name_are_counted_and_named_only_where_names_are_shown():
    names = ("Ann_Lee", "Bo", "Cy", "Di")
    sets = [said_to_be("a"), said_to_be("sface", names, "authentic"), said_to_be("b", ("Eve",), "authentic")]
    assert show.origins(sets)[show.UNMATCHED].fillna(0).tolist() == [0, 4, 1]
    text = show.unmatched(sets, names_shown=True)
    assert "**sface**: 4 of 20 classes" in text and "`Ann_Lee`, `Bo`, `Cy` and others." in text and "`Eve`." in text
    hidden = show.unmatched(sets, names_shown=False)
    assert "4 of 20 classes" in hidden and "withheld" in hidden
    assert not any(name in hidden for name in (*names, "Eve"))
    assert show.unmatched(sets[:1], True) == ""


def made_up(classes=1000, **changes) -> SetDescription:
    distinct = tuple(Distinct(fmr, 5, classes, k, 5.0, 200, k // 5, 198, 0.99) for fmr, k in ((1e-3, 700), (1e-4, 990)))
    plain = SetDescription(
        images=50_000, classes=classes, sampled=20_000, inspected=20_400, undecodable=0,
        sizes_px={"112x112": 1.0}, copies=0.0, near_copies=0.004, near_copy_score=0.98, sharpness=0.9,
        without_eyes=0.03, looked_at=2000, eer=0.05,
        scored_images=6000, scored_classes=300, consistency=0.6, diversity=0.8, distinct=distinct,
        several_persons=0.01, judged_classes=1000,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


def test_failures_are_of_the_images_looked_at_or_of_all_where_some_are_skipped(tmp_path):
    """A set that could not be described, as one with a bad image where these stop, has no rate."""
    named = (("whole", 0), ("skipped", 3), ("failed", 0))
    sets = [SyntheticSet(name, Images(tmp_path), "none", skipped=skipped) for name, skipped in named]
    described = {"whole": made_up(inspected=50, undecodable=0), "skipped": made_up(inspected=40)}
    found = show.failures_of(sets, described)
    assert [(each.name, each.read, each.undecodable) for each in found] == [("whole", 50, 0), ("skipped", 100, 3)]
    assert all(each.photographs is None for each in found)


class Images:
    """A set of 97 images."""

    def __init__(self, path):
        self.path = path

    def __len__(self):
        return 97


def unlabelled() -> SetDescription:
    nothing = dict.fromkeys(("classes", "eer", "consistency", "diversity", "several_persons"))
    return made_up(**nothing, distinct=(), scored_images=0, scored_classes=0, judged_classes=0)


def test_the_table_has_a_row_for_each_set_and_empty_cells_for_what_was_not_measured():
    table, grey = show.descriptions({"authentic": made_up(), "own": unlabelled()}, {})
    table = table.set_index("set")
    assert table.index.tolist() == ["authentic", "own"]
    first = table.loc["authentic"]
    assert (first["images"], first["classes"], first["size (px)"]) == (50_000, 1000, "112x112")
    assert (first["identities, FMR 0.1 %"], first["identities, lower FMR"]) == (700, 990)
    assert first[["near copies (%)", "EER within (%)", "diversity (%)"]].tolist() == pytest.approx([0.4, 5, 80])
    empty = table.columns[table.loc["own"].isna()]
    assert {"classes", "EER within (%)", "diversity (%)", "identities, FMR 0.1 %", "several persons (%)"} <= set(empty)
    assert table["classes"].dtype == "Int64" and table["EER within (%)"].dtype == "float64" and grey == []


def test_a_verifier_that_had_a_part_in_a_set_describes_it_in_grey_with_the_reason():
    """What rests on no verifier stays, and so do the other sets."""
    barred = {"own": "taught the set's generator", "bare": "taught the set's generator"}
    sets = {"authentic": made_up(), "own": made_up(), "bare": unlabelled()}
    grey = show.descriptions(sets, barred)[1]
    assert set(grey) == {(1, column) for column in show.BY_VERIFIER} | {(2, "near copies (%)")}
    said = show.what_sets_are({"authentic": made_up(), "own": made_up()}, barred)
    assert "**own**: the verifier taught the set's generator, so that its numbers of the set stand in grey" in said
    assert said.endswith("No such caution for authentic.")


def test_mixed_sizes_are_named_with_their_shares():
    table, _ = show.descriptions({"own": made_up(sizes_px={"112x112": 0.9, "96x112": 0.06})}, {})
    assert table["size (px)"].item() == "112x112: 90 %, 96x112: 6 %"


def test_the_table_of_identities_has_both_rates_beside_the_authentic_count():
    table = show.distinct_identities({"authentic": made_up(), "own": unlabelled()})
    assert table["FMR (%)"].tolist() == pytest.approx([0.1, 0.01]) and (table["set"] == "authentic").all()
    assert table[["identities", "identities of them", "of as many authentic"]].iloc[1].tolist() == [990, 198, 198]
    assert show.distinct_identities({"own": unlabelled()}) is None


@pytest.mark.parametrize("count", [1, 3, 12])
def test_the_panels_share_the_sets(count):
    sets = {"authentic": made_up()} | {f"set {i}": made_up(near_copies=i / 100) for i in range(1, count)}
    figure, numbers = show.described(sets, Looks([]))
    assert numbers["set"].tolist() == list(sets) and len(figure.axes) == numbers.shape[1] - 1
    figure.draw_without_rendering()
    for i, ax in enumerate(figure.axes):
        names = [label.get_text() for label in ax.get_yticklabels()]
        assert names == (list(sets) if i % 4 == 0 else [""] * count)
        places = [text.get_window_extent() for text in ax.texts]
        assert not any(a.overlaps(b) for k, a in enumerate(places) for b in places[k + 1 :])
        assert all(ax.bbox.x0 <= place.x0 and place.x1 <= ax.bbox.x1 for place in places)


def test_a_panel_says_what_was_not_measured():
    figure, numbers = show.described({"authentic": made_up(), "own": unlabelled()}, Looks([]))
    texts = {ax.get_title(): [text.get_text() for text in ax.texts] for ax in figure.axes}
    assert texts["EER within (%)"] == ["5", "not measured"] and texts["near copies (%)"] == ["0.4", "0.4"]
    assert texts["identities (% of authentic)"] == ["100", "not measured"]
    assert np.isnan(numbers["EER within (%)"][1])
    figure, numbers = show.described({"own": unlabelled()}, Looks([]))
    assert numbers["genuine score"].isna().all()


def test_a_set_without_faults_is_passed_over():
    assert show.what_sets_are({"A": made_up(), "B": made_up()}, {}) == "No such caution for A, B."


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"near_copies": 0.12, "copies": 0.031}, r"12.0 % of 20,000 images are copies .* \(3.1 % byte for byte\)"),
        ({"eer": 0.47}, r"hardly tell identities apart \(EER 47.0 %"),
        ({"several_persons": 0.3}, "30 % of 1,000 classes hold several persons"),
        ({"without_eyes": 0.97}, "eyes are not in place in 97 % of 2,000 images"),
        ({"undecodable": 4}, "4 of 20,400 images looked at cannot be decoded"),
        (
            {"near_copies": None, "near_copy_score": None, "copies": 0.031},
            "3.1 % of 20,000 images are copies of an earlier one, byte for byte, so that",
        ),
        (
            {"distinct": (Distinct(1e-4, 5, 1000, 500, 5.0, 200, 150, 198, 0.99),)},
            r"of 200 classes 150 are distinct, of as many authentic persons 198 \(FMR 0.01 %\)",
        ),
    ],
)
def test_what_a_careful_reader_must_know_is_said_of_that_set_alone(changes, told):
    text = show.what_sets_are({"good": made_up(), "poor": made_up(**changes)}, {})
    assert text.startswith("**poor**: ") and text.endswith("No such caution for good.")
    assert pd.Series([text]).str.contains(told).item() and text.count(";") == 0


def test_a_set_without_labels_is_said_to_be_one():
    assert "it has no labels" in show.what_sets_are({"own": unlabelled()}, {})


def test_captions_give_the_numbers_behind():
    caption = show.descriptions_caption({"own": made_up()}, eye_images=500)
    assert "a sample of 20,000 images at most" in caption and "eyes of 500 images at most" in caption
    assert "diversity of the first 10 images of each of 500 classes at most" in caption
    assert "score 0.980 or more" in caption and "the median of up to 200 authentic images" in caption
    assert "more than 20 % of the eyes' distance" in caption and "the most alike 5 % of pairs" in caption
    assert "eyes of 20,000 images at most" in show.descriptions_caption({"own": made_up()}, eye_images=10**6)
    assert "false link for every twentieth class" in show.distinct_caption() and module.FALSE_LINKS == 1 / 20


def test_a_set_that_cannot_be_described_leaves_the_others_whole(tmp_path, authentic, by):
    files = [encode_png(image) for image in authentic.load(range(16)).numpy()]
    good = open_faces(write_encoded(tmp_path / "good", files, np.arange(16) // 8))
    bad = open_faces(write_encoded(tmp_path / "bad", [*files[:-1], files[-1][:60]], np.arange(16) // 8))
    training = authentic.subset(np.arange(10 * IMAGES))
    study, p = SimpleNamespace(training=training, verifier=VERIFIER_PATH), SimpleNamespace(seed=0, eye_images=4)
    sets = [SyntheticSet("bad", bad, "own"), SyntheticSet("good", good, "own")]
    described, failed = compute.describe_all(p, study, sets, by["embedder"])
    assert list(described) == ["authentic", "good"] and list(failed) == ["bad"]
    assert "holds 1 image that cannot be decoded" in failed["bad"]
    assert show.failed(failed).startswith("**bad** could not be described: '")
    with pytest.raises(BadImageError):
        compute.describe_all(p, study, sets[:1], by["embedder"])
