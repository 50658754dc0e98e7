"""Whatever opens weights says what a file is that holds none, and how to come by the file itself."""

import pickle
import sys
import tarfile
import types
import zipfile

import pytest
import torch

from sface_lib.attributes import open_classifier
from sface_lib.errors import WeightsError
from sface_lib.generators.stylegan2 import load_generator, load_pair
from sface_lib.generators.stylegan2.foreign import import_stylegan2
from sface_lib.recognition import open_model

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 174664560\n"
READERS = [open_model, load_generator, load_pair, import_stylegan2, open_classifier]
EVERYWHERE = [
    (b"", "is empty; get the file again"),
    (POINTER, "is a Git LFS pointer, .*; run `git lfs pull`"),
    (b"<!DOCTYPE html><html><title>Sign in</title>", r"is a web page \(HTML\), .*; download the file itself"),
    (b"\xef\xbb\xbf\n<!-- a --><HTML lang='en'>", r"is a web page \(HTML\)"),
    (b'<?xml version="1.0"?>\n<!doctype html>', r"is a web page \(HTML\)"),
    (
        b'<?xml version="1.0"?><Error>AccessDenied</Error>',
        "is text that begins with '<.xml .*; give the file of weights",
    ),
    ("{'größe': 3}".encode() * 200, "is text that begins with .\\{'größe': 3}"),
    (b"\x89HDF\r\n\x1a\n" + bytes(40), "is an HDF5 file, .*; convert the model to ONNX"),
    (b"\x1f\x8b\x08" + bytes(40), r"is an archive \(gzip\); unpack it"),
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("content", "said"), EVERYWHERE)
def test_what_is_no_file_of_weights_is_told_wherever_weights_are_opened(tmp_path, reader, content, said):
    (tmp_path / "given.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"given\.pth {said}"):
        reader(tmp_path / "given.pth")


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "network.pkl"])
def test_whatever_its_name_is(tmp_path, name):
    (tmp_path / name).write_bytes(POINTER)
    with pytest.raises(WeightsError, match="is a Git LFS pointer"):
        open_model(tmp_path / name)


@pytest.mark.parametrize("reader", READERS)
def test_archives_are_told_with_what_they_hold(tmp_path, reader):
    with zipfile.ZipFile(tmp_path / "given.zip", "w") as archive:
        archive.writestr("buffalo/", "")
        archive.writestr("buffalo/w600k_r50.onnx", "a graph")
    with pytest.raises(WeightsError, match="is a zip of 1 files, such as 'buffalo/w600k_r50.onnx'; unpack it"):
        reader(tmp_path / "given.zip")
    with tarfile.open(tmp_path / "given.tar", "w") as archive:
        archive.add(tmp_path / "given.zip", "given.zip")
    with pytest.raises(WeightsError, match=r"is an archive \(tar\); unpack it"):
        reader(tmp_path / "given.tar")


@pytest.fixture
def stylegan(tmp_path, monkeypatch):
    """Write a pickle that names a function as the official programs of StyleGAN do."""

    def write(module: str, name: str, **state) -> str:
        def official(*_):
            raise AssertionError("the official function is never called")

        official.__module__, official.__qualname__ = module, name
        for i in range(module.count(".") + 1):
            part = module.rsplit(".", i)[0]
            monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
        setattr(sys.modules[module], name, official)

        class Network:
            def __reduce__(self):
                return official, (state,)

        path = tmp_path / f"{module}.pkl"
        path.write_bytes(pickle.dumps({"G_ema": Network()}))
        return path

    return write


PERSISTENT = ("torch_utils.persistence", "_reconstruct_persistent_obj")


@pytest.mark.parametrize("reader", READERS)
def test_other_pickles_of_stylegan_are_told_by_their_program(stylegan, reader):
    with pytest.raises(WeightsError, match=r"StyleGAN pickle of TensorFlow \(dnnlib.*Network\); convert it by legacy"):
        reader(stylegan("dnnlib.tflib.network", "Network", version=4))
    with pytest.raises(WeightsError, match=r"is a StyleGAN3 pickle, which is not read; draw images by its own"):
        reader(stylegan(*PERSISTENT, module_src="class SynthesisInput(torch.nn.Module):", class_name="Generator"))


@pytest.mark.parametrize("reader", [open_model, load_generator, open_classifier])
def test_an_official_stylegan2_is_to_be_imported(stylegan, reader):
    with pytest.raises(WeightsError, match="is a StyleGAN2-ADA pickle; convert it by `sface generator import`"):
        reader(stylegan(*PERSISTENT, module_src="class SynthesisLayer(torch.nn.Module):", class_name="Generator"))


@pytest.mark.parametrize("reader", [load_generator, load_pair, import_stylegan2, open_classifier])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_of_pytorch_is_for_recognition_alone(tmp_path, reader, zipped):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "given.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        WeightsError, match=r"is a PyTorch checkpoint \(.pth\); it is read for recognition models alone"
    ):
        reader(tmp_path / "given.pth")
    with pytest.raises(WeightsError, match="unknown architecture"):
        open_model(tmp_path / "given.pth")
