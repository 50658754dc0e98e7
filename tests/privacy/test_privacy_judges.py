"""Which texts mean a judge: its file, its names, the digits of its SHA-256."""

import shutil

import pytest
from tiny_faces import tiny_embedder

from sface_lib.engine import make_accelerator
from sface_lib.files import sha256_of_file
from sface_lib.population import VERIFIER_PATH
from sface_lib.privacy.judges import PIXELS, Judge, open_judge
from sface_lib.recognition import Embedder, pixel_embeddings


@pytest.fixture
def judge(tmp_path):
    """Of the file R100.pth, called "verifier" on the page, whose description has an architecture and a name."""
    path = tmp_path / "R100.pth"
    path.write_bytes(b"weights")
    model = tiny_embedder()
    model.description = model.description | {"architecture": "iresnet100", "name": "ArcFace Glint360K"}
    return Judge("verifier", model, sha256_of_file(path), None, None, path)


@pytest.mark.parametrize(
    "text", ["verifier", "R100.pth", "R100", "r100", " r100 ", "iresnet100", "ArcFace Glint360K", "elsewhere/R100.pth"]
)
def test_a_judge_answers_to_its_names_on_the_page_of_its_file_and_in_its_description(judge, text):
    assert judge.answers_to(text)


@pytest.mark.parametrize("text", ["r50", "R100.onnx", "R10", "glint360k", "verifier 2", "elsewhere/r50.pth"])
def test_other_names_are_no_name_of_it(judge, text):
    assert not judge.answers_to(text)


def test_it_is_known_by_twelve_leading_digits_of_its_sha256_or_more(judge):
    digits = judge.sha256
    assert all(judge.answers_to(text) for text in (digits, digits.upper(), digits[:12], digits[:12].upper()))
    assert not any(judge.answers_to(text) for text in (digits[:11], digits[1:14], digits[12:], "0" * 12))


def test_a_file_is_known_by_its_path_and_by_its_contents(judge, tmp_path):
    (tmp_path / "link.pth").symlink_to(judge.path)
    shutil.copy(judge.path, tmp_path / "copy.bin")
    assert all(judge.answers_to(str(tmp_path / name)) for name in ("R100.pth", "link.pth", "copy.bin"))
    assert judge.answers_to(f"{tmp_path}/../{tmp_path.name}/R100.pth")


def test_a_student_answers_to_its_teachers(judge, tmp_path):
    """By the fingerprint that its header keeps, and by the teacher's file; any other network is none of them."""
    teacher, other = tiny_embedder(), tiny_embedder()
    next(other.network.parameters()).data.add_(1)
    judge.model.description |= {"learnt_from": [teacher.fingerprint, "f" * 64]}
    next(judge.model.network.parameters()).data.add_(2)
    for name, model in (("teacher", teacher), ("other", other)):
        model.save(tmp_path / f"{name}.safetensors")
    (tmp_path / "none.pkl").write_bytes(b"no model")
    files = [str(tmp_path / name) for name in ("teacher.safetensors", "other.safetensors", "none.pkl")]
    assert [judge.answers_to(text) for text in files] == [True, False, False]
    assert judge.answers_to(teacher.fingerprint[:16]) and judge.answers_to("f" * 12) and not judge.answers_to("e" * 12)


def test_another_file_of_the_same_name_is_another_model_unless_its_ending_is_another_format(judge, tmp_path):
    """InsightFace calls every network backbone.pth; but the contents of two formats cannot be compared."""
    (tmp_path / "other").mkdir()
    for name in ("R100.pth", "R100.onnx", "r50.onnx"):
        (tmp_path / "other" / name).write_bytes(b"another")
    assert [judge.answers_to(str(tmp_path / "other" / name)) for name in ("R100.pth", "R100.onnx", "r50.onnx")] == [
        False,
        True,
        False,
    ]


def test_pixels_are_no_model_and_a_judge_without_a_file_has_its_name(judge):
    assert not Judge(PIXELS, None, None, pixel_embeddings).answers_to(PIXELS)
    alone = Judge("mine", judge.model, None, None)
    assert alone.answers_to("mine") and not alone.answers_to(judge.sha256) and not alone.answers_to(str(judge.path))


def test_an_opened_judge_knows_its_file():
    opened = open_judge("verifier", VERIFIER_PATH, Embedder(make_accelerator()))
    assert opened.answers_to(str(VERIFIER_PATH)) and opened.answers_to(opened.sha256[:12])
