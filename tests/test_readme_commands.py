"""The README's commands on data of one's own do what they say, on small data of the shapes and names that they use."""

import io
import pickle
import shlex
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from test_documents import ROOT, commands

from sface_lib import cli
from sface_lib.data import open_faces
from sface_lib.data.convert import convert_set
from sface_lib.population import VERIFIER_PATH, first_images, shipped_faces

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

PERSONS, IMAGES, SIDE_PX = 16, 8, 64
SETS = "casia", "unseen", "dcface", "sface", "digiface"
SMALL = {
    "audit": "second_verifier=none power_images=20 filter_fmrs=0.5 eye_images=20",
    "faces": "generator_resolution_px=16 generator_channel_base=256 generator_channel_max=16 total_kimg=0.2 "
    "snapshot_kimg=0.1 generator_batch=16 images_per_class=4 recognition_resolution_px=32 training_steps=4 "
    "recognition_batch=16 validation_interval_steps=0 validation_identities=0 sweep_images_per_class= min_images=4 "
    "eye_images=20 second_verifier=none power_images=20 filter_fmrs=0.5 backbone=small embedding_size=16",
}


def png(pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels.numpy().transpose(1, 2, 0)).save(stream, "png")
    return stream.getvalue()


def file_of(person: int, image: int) -> str:
    return f"Person_{person:02d}/Person_{person:02d}_{image + 1:04d}.png"


def lfw_list(persons: range) -> str:
    """Two folds of eight genuine and eight impostor pairs, as LFW's `pairs.txt`, no person in both."""
    lines = ["2\t8"]
    half = len(persons) // 2
    for fold in (persons[:half], persons[half:]):
        chosen = [(person, image) for person in fold for image in (1, 3)][:8]
        lines += [f"Person_{person:02d}\t{image}\t{image + 1}" for person, image in chosen]
        lines += [
            f"Person_{a:02d}\t{i}\tPerson_{b:02d}\t{i}" for i in (1, 2, 3) for a, b in zip(fold, fold[1:], strict=False)
        ][:8]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, real_data) -> Path:
    """A folder with a file or folder of each name that the commands read."""
    folder, whole = tmp_path_factory.mktemp("readme"), shipped_faces("balanced")
    count = PERSONS * len(SETS)
    faces = whole.load(first_images(whole, count, IMAGES), size_px=SIDE_PX)
    parts = dict(zip(SETS, faces.reshape(len(SETS), PERSONS, IMAGES, *faces.shape[1:]), strict=True))
    for name, part in parts.items():
        for person, images in enumerate(part):
            for i, image in enumerate(images):
                path = folder / name / file_of(person, i)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(png(image))
    convert_set(open_faces(folder / "sface"), folder / "sface.zip")
    for name in ("unseen", "dcface"):
        convert_set(open_faces(folder / name), folder / "records" / name / f"{name}.rec")
        for path in (folder / "records" / name).glob(f"{name}.*"):
            path.rename(folder / path.name)
    with tarfile.open(folder / "faces.tar", "w") as tar:
        tar.add(folder / "casia", "faces")
    (folder / "pairs.txt").write_text(lfw_list(range(PERSONS // 2)))
    (folder / "bins").mkdir()
    people = parts["unseen"]
    pairs = [(p, i, p, i + 1) for p in range(PERSONS) for i in (0, 2)]
    pairs += [(p, i, (p + 1) % PERSONS, i) for p in range(PERSONS) for i in (0, 2)]
    encoded = [png(people[person, image]) for p, i, q, j in pairs for person, image in ((p, i), (q, j))]
    for name in ("lfw", "cfp_fp"):
        (folder / "bins" / f"{name}.bin").write_bytes(pickle.dumps((encoded, [p == q for p, _, q, _ in pairs])))
    shutil.copy(VERIFIER_PATH, folder / "verifier.safetensors")
    write_graph(folder / "r100.onnx")
    shutil.copytree(real_data / "lfw250_sample", folder / "PHOTOS")
    for extra in sorted((folder / "PHOTOS").rglob("*.jpg"))[4:]:
        extra.unlink()
    return folder


def write_graph(path: Path) -> None:
    """A network that averages patches: it judges badly, and is judged so."""
    onnx = pytest.importorskip("onnx")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[14, 14], strides=[14, 14]),
        helper.make_node("Flatten", ["y"], ["z"]),
    ]
    takes = helper.make_tensor_value_info("x", number, ("N", 3, 112, 112))
    graph = helper.make_graph(nodes, "graph", [takes], [helper.make_tensor_value_info("z", number, None)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def arguments(line: str, out: str) -> list[str] | None:
    """A line of the README as arguments of the program, a report at small size; None where it reads nobody's data."""
    words = shlex.split(line)
    if words[:2] == ["make", "report"]:
        given = dict(word.split("=", 1) for word in words[2:])
        profile = given.pop("PROFILE", None)
        if profile not in SMALL:
            return None
        settings = [f"{name.lower()}={value}" for name, value in given.items()] + SMALL[profile].split(" ")
        return ["report", "--profile", profile, "--out", out, *(word for each in settings for word in ("--set", each))]
    return words[1:] if words[:1] == [".venv/bin/sface"] and "--dry-run" not in words else None


def test_every_command_does_what_it_says(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    outs, run = iter(("runs/a", "runs/b")), []
    waiting = [line for line in commands(ROOT / "README.md") if arguments(line, "")]
    for line in sorted(waiting, key=lambda line: "compare" in line):  # It compares what the reports have made.
        given = arguments(line, next(outs) if line.startswith("make report") else "")
        assert cli.main(given) == 0, line
        run.append(given[0] if given[0] != "data" else " ".join(given[:2]))
    assert run == ["report", "data card", "report", "data align", "compare"]
    for made in ("runs/a/report.html", "runs/b/report.html", "compare/compare.html", "card/card.html", "FACES"):
        assert (workplace / made).exists(), made
