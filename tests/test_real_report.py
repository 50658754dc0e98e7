"""A report on real photographs, at the smallest size: it runs, and shows nobody. All of it nightly, 01 always."""

import base64
import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.signal import fftconvolve

from sface_lib.data import open_faces, read_protocol
from sface_lib.report.plan import ReportPlan, plan_report
from sface_lib.report.runner import run_report

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(1200)]

SMALL = {
    "synthetic": "generated",
    "evaluation_folds": "1-2",  # The full run uses 6-10: no fold is built in.
    "min_images": "25",
    "total_kimg": "0.2",
    "snapshot_kimg": "0.1",
    "generator_batch": "16",
    "images_per_class": "4",
    "training_steps": "4",
    "recognition_batch": "16",
    "sweep_images_per_class": "",
    "validation_interval_steps": "0",
}


def plan(real_data: Path, folder: Path, **changes: str) -> ReportPlan:
    model = str(real_data / "mobilefacenet_casia.safetensors")
    paths = {"authentic": str(real_data / "lfw112.tar"), "protocol": str(real_data / "lfw_pairs.txt")}
    return plan_report("smoke", SMALL | paths | {"verifier": model, "teacher": model} | changes, out=str(folder))


@pytest.fixture(scope="module")
def run(real_data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "real"
    assert run_report(plan(real_data, folder)) == 0
    return folder


@pytest.fixture(scope="module")
def first(real_data, tmp_path_factory) -> dict[str, Path]:
    """Run folders of notebook 01 alone, by whether pictures of authentic faces were asked for."""
    folders = {asked: tmp_path_factory.mktemp("runs") / asked for asked in ("false", "true")}
    for asked, folder in folders.items():
        wanted = plan(real_data, folder, show_authentic_images=asked)
        assert run_report(dataclasses.replace(wanted, stages=wanted.stages[:1])) == 0
    return folders


@pytest.fixture(scope="module")
def faces(real_data):
    return open_faces(real_data / "lfw112.tar")


def pictures(page: str) -> list[np.ndarray]:
    """Grey levels of every picture in a page, and in every drawing of it."""
    drawings = [
        base64.b64decode(data).decode() for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    ]
    inside = [data for each in drawings for data in re.findall(r'href="data:image/png;base64,([^"]+)"', each)]
    found = re.findall(r'src="data:image/(?:png|webp);base64,([^"]+)"', page) + inside
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), np.float64) for data in found]


def best_match(picture: np.ndarray, face: np.ndarray) -> float:
    """Highest normalised cross-correlation of a face, at its size, anywhere in a picture."""
    if min(np.subtract(picture.shape, face.shape)) < 0:
        return 0.0
    ones, zero_mean = np.ones_like(face), face - face.mean()
    product = fftconvolve(picture, zero_mean[::-1, ::-1], "valid")
    total, squares = fftconvolve(picture, ones, "valid"), fftconvolve(picture**2, ones, "valid")
    variance = squares - total**2 / face.size
    norm = np.sqrt(np.maximum(variance, face.size)) * np.linalg.norm(zero_mean)
    return float((product / norm).max())


def shown_faces(page: str, faces, positions: list[int]) -> int:
    """How many of some faces stand in a page, at the sizes that contact sheets use."""
    drawn = pictures(page)
    found = 0
    for position in positions:
        whole = faces.load([position], size_px=64)[0].float().mean(0).numpy()
        coarse = faces.load([position], size_px=16)[0].float().mean(0).numpy().repeat(4, 0).repeat(4, 1)
        found += any(best_match(picture, face) > 0.97 for picture in drawn for face in (whole, coarse))
    return found


def first_training_faces(folder: Path) -> list[int]:
    rows = (folder / "data" / "selection.csv").read_text().split()[1:]
    return [int(row.split(",")[0]) for row in rows[:6]]


def names_in(folder: Path, faces, more_files_than: int) -> list[str]:
    """Full names of persons in a page and in the files that come with it."""
    page = (folder / "report.html").read_text(encoding="utf-8")
    files = re.findall(r'href="data:text/plain;charset=utf-8;base64,([^"]+)"', page)
    page = "\n".join([page, *(base64.b64decode(data).decode() for data in files)]).lower()
    full_names = [name for name in faces.identities if "_" in name]
    assert len(files) > more_files_than and len(full_names) > 5000
    return [n for n in full_names if n.lower() in page or n.replace("_", " ").lower() in page]


def test_the_first_notebook_names_nobody_and_shows_faces_where_that_is_asked_for(first, faces):
    positions = first_training_faces(first["false"])
    pages = {asked: (folder / "report.html").read_text(encoding="utf-8") for asked, folder in first.items()}
    assert names_in(first["false"], faces, 1) == []
    assert {asked: shown_faces(page, faces, positions) for asked, page in pages.items()} == {"false": 0, "true": 6}


@pytest.mark.nightly
def test_the_whole_page_names_nobody_and_shows_no_real_face(run, faces):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r'src="data:image/(?:png|svg)', page)) > 8
    assert names_in(run, faces, 20) == [] and shown_faces(page, faces, first_training_faces(run)) == 0


def test_nobody_in_the_evaluated_folds_trains(first, faces, real_data):
    protocol = read_protocol(real_data / "lfw_pairs.txt")
    tested = protocol.identities_in(faces, (1, 2))
    rows = (first["false"] / "data" / "selection.csv").read_text().split()[1:]
    trained = {int(faces.labels[int(row.split(",")[0])]) for row in rows}
    assert trained and not trained & tested
    counts = np.bincount(faces.labels)
    expected = {label for label in np.flatnonzero(counts >= 25).tolist() if label not in tested}
    assert trained == expected


@pytest.mark.nightly
def test_links_that_must_not_be_relied_on_are_greyed_with_the_reason(run):
    """The verifier is the teacher, too; and after 200 images all classes of the generator are one face to it."""
    results = json.loads((run / "results" / "07_summary.json").read_text())["results"]
    assert results["verifier_is_teacher"] is True
    page = (run / "report.html").read_text(encoding="utf-8")
    overview = page[page.rindex("Accuracy beside the link") :].split("</table>")[0]
    rows = [row.split("</th>") for row in overview.split('<th scope="row">')[1:]]
    grey = {name: re.findall(r'<td class="[^"]*grey[^"]*">', cells[0]) for name, *cells in rows}
    assert {name: len(cells) for name, cells in grey.items() if cells} == dict.fromkeys(
        ("CLS generated", "KT generated", "CL generated"), 2
    )
    words = re.sub(r"<[^>]+>", "", page)
    assert "only competent judge of this run that may judge a set, so the link numbers of KT" in words
    assert re.search(r"does not tell its classes apart: .* so the links of generated are shown in grey", words)
