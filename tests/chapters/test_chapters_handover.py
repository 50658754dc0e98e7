"""What later notebooks open is what earlier ones left."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from sface_lib.chapters import handover
from sface_lib.data import Protocol, open_faces, write_bin, write_faces, write_protocol
from sface_lib.errors import InputError
from sface_lib.population import VERIFIER_PATH, first_images, shipped_faces
from sface_lib.recognition import resolve_pairs
from sface_lib.report.plan import plan_report
from sface_lib.report.runner import run_report


class Folder:
    """As much of a stage as the handover needs."""

    def __init__(self, folder, **parameters):
        self.folder, self.parameters = folder, type("Parameters", (), parameters)

    def output(self, name):
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    input = output

    def inputs(self, start):
        return sorted(f"data/{path.name}" for path in self.folder.glob(f"{start}*"))


def pairs_of(faces, rows):
    left, right, same, fold = zip(*rows, strict=True)
    names = ([faces.names[i] for i in side] for side in (left, right))
    return Protocol(*map(tuple, names), np.array(same, bool), np.array(fold))


def test_pairs_of_several_benchmarks_come_back_with_their_images(tmp_path):
    stage, faces = Folder(tmp_path, authentic="embedded"), shipped_faces("benchmark")
    given = {
        "second": pairs_of(faces, [(40, 41, 1, 1), (7, 60, 0, 1), (90, 91, 1, 2), (3, 200, 0, 2)]),
        "first": pairs_of(faces, [(41, 7, 0, 1), (60, 61, 1, 1), (200, 201, 1, 2), (90, 3, 0, 2)]),
    }
    handover.write_pairs(stage, {name: resolve_pairs(protocol, faces) for name, protocol in given.items()})
    images, found = handover.evaluation_faces(stage)
    assert list(found) == ["second", "first"] and len(images) == 10  # Each image once, the benchmarks in their order.
    for name, protocol in given.items():
        assert tuple(images.names[i] for i in found[name].left) == protocol.left
        assert tuple(images.names[i] for i in found[name].right) == protocol.right
        people = [faces.identities[label] for label in found[name].right_identity]
        assert people == [name.split("/")[0] for name in protocol.right]
        assert found[name].same.tolist() == protocol.same.tolist() and found[name].fold.tolist() == [1, 1, 2, 2]


def test_filtered_sets_come_back_by_the_name_of_the_model_that_learns_from_them(tmp_path):
    """A filter that keeps nothing is a set without images."""
    stage = Folder(tmp_path)
    for fmr, kept in ((0.5, []), (0.05, [3, 1, 4])):
        pd.DataFrame({"position": kept}).to_csv(stage.output(handover.filtered_file(fmr)), index=False)
    found = handover.filtered_sets(stage)
    assert {name: kept.tolist() for name, kept in found.items()} == {
        "CLS filtered 0.05": [3, 1, 4],
        "CLS filtered 0.5": [],
    }


@pytest.fixture
def own_sets(tmp_path):
    """Six identities to train on; a benchmark of four others, and of one of the six under another name."""
    whole = shipped_faces("balanced")
    pixels = whole.load(first_images(whole, 10, 6))
    labels = np.repeat(np.arange(10), 6)
    write_faces(tmp_path / "train", pixels[:36], labels[:36], [f"person-{i}" for i in range(6)])
    tested = np.flatnonzero((labels == 2) | (labels >= 6))
    relabelled = np.unique(labels[tested], return_inverse=True)[1]
    write_faces(tmp_path / "test", pixels[tested], relabelled, [f"someone-{i}" for i in range(5)])
    rows = [(6 * i, 6 * i + 1, 1, 1 + i % 2) for i in range(5)] + [(0, 12, 0, 1), (6, 18, 0, 2)]
    return write_protocol(tmp_path / "pairs.csv", pairs_of(open_faces(tmp_path / "test"), rows))


def test_an_identity_whose_images_are_tested_is_not_trained_on_under_another_name(tmp_path, own_sets):
    given = {"authentic": "train", "protocol_faces": "test", "protocol": "pairs.csv"}
    changes = {name: str(tmp_path / file) for name, file in given.items()} | {"verifier": str(VERIFIER_PATH)}
    changes |= {"evaluation_folds": "all", "images_per_class": "6", "recognition_batch": "16"}
    plan = plan_report("smoke", changes, out=str(tmp_path / "run"))
    assert run_report(dataclasses.replace(plan, stages=plan.stages[:1])) == 0
    selection = pd.read_csv(tmp_path / "run" / "data" / "selection.csv")
    faces = open_faces(tmp_path / "train")
    trained = {faces.identities[label] for label in faces.labels[selection["position"]]}
    assert trained == {"person-0", "person-1", "person-3", "person-4", "person-5"}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "person-" not in page and "1 identities of the set occur in the evaluated pairs" in page


def test_a_folder_of_bins_is_evaluated_without_identities(tmp_path):
    images = np.arange(40 * 3 * 64).reshape(40, 3, 8, 8).astype(np.uint8)
    (tmp_path / "bins").mkdir()
    for name, first in (("lfw", 0), ("calfw", 20)):
        write_bin(tmp_path / "bins" / f"{name}.bin", images[first : first + 20], [True, False] * 5)
    stage = Folder(tmp_path, authentic=str(tmp_path), protocol=str(tmp_path / "bins"), protocol_faces="", groups="")
    faces, protocols = handover.given_pairs(stage)
    handover.write_pairs(stage, {name: resolve_pairs(pairs, faces) for name, pairs in protocols.items()})
    evaluated, found = handover.evaluation_faces(stage)
    assert list(found) == ["calfw", "lfw"] and len(evaluated) == 40 and evaluated.labels is None
    assert found["lfw"].identities == (None, None) and handover.demographic_groups(stage) == {}
    assert handover.unseen_faces(stage) == (None, None)


def test_groups_of_own_faces_come_from_a_table_by_name(tmp_path, rendered_zip):
    path = rendered_zip(tmp_path / "set.zip", 3, 2, 16)
    faces, table = open_faces(path), tmp_path / "groups.csv"
    pairs = write_protocol(tmp_path / "pairs.csv", pairs_of(faces, [(0, 1, 1, 1), (0, 2, 0, 2)]))
    stage = Folder(tmp_path, authentic=str(path), protocol=str(pairs), protocol_faces="", groups=str(table))
    names = faces.identities
    table.write_text(f"identity,group\n{names[2]},b\n{names[0]},a\nnobody,a\n")
    assert handover.demographic_groups(stage) == {0: "a", 2: "b"}
    table.write_text("identity,group\nnobody,a\n")
    with pytest.raises(InputError, match="names none of the evaluated identities"):
        handover.demographic_groups(stage)
    table.write_text("name,group\nnobody,a\n")
    with pytest.raises(InputError, match="has the columns .'name', 'group'.; give identity and group"):
        handover.demographic_groups(stage)
