"""Models of others open by what is in their files, and whatever is not known is refused with its name."""

import hashlib
import shutil
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError, WeightsError
from sface_lib.recognition import (
    InputSpec,
    IResNet,
    MobileFaceNet,
    RecognitionModel,
    embed_batches,
    embed_faces,
    make_backbone,
    open_model,
)
from sface_lib.recognition.backbones import LAYOUTS
from sface_lib.recognition.foreign import foreign_network
from sface_lib.recognition.models import KIND, MOBILEFACENET_INPUT


def insightface_state(layout: str = "small", size_px: int = 32) -> dict[str, torch.Tensor]:
    """As `arcface_torch` saves its backbone: the names of an iResNet's tensors, no counters of batches."""
    torch.manual_seed(0)
    state = IResNet(layout, 16, size_px).state_dict()
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def embedded(model: RecognitionModel) -> torch.Tensor:
    images = torch.randint(0, 256, (3, 3, 112, 112), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return model.fused(model.prepare(images))


@pytest.mark.parametrize(
    "content",
    [
        lambda state: state,
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"epoch": 3, "state_dict": state},
        lambda state: {"state_dict_backbone": state, "state_dict_softmax_fc": {"weight": torch.zeros(2)}},
        lambda state: {"epoch": 3, "model": state, "optimizer": {"state": {}}},
        lambda state: {"backbone": state, "head": {"weight": torch.zeros(2)}},
        lambda state: {"net": {"state_dict": state}, "epoch": 3},
        lambda state: {f"module.backbone.{name}": tensor for name, tensor in state.items()},
        lambda state: {"model": {f"any.thing.{name}": tensor for name, tensor in state.items()}},
    ],
)
def test_an_insightface_pth_opens_with_its_own_input_and_fusion(tmp_path, content):
    state = insightface_state()
    torch.save(content(state), tmp_path / "backbone.pth")
    model = open_model(tmp_path / "backbone.pth")
    assert model.spec == InputSpec(32, mean=127.5, scale=127.5, mirror="sum")
    assert model.embedding_size == 16 and model.description["trained_on"] == "not stated"
    black = model.prepare(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert black.shape == (1, 3, 32, 32) and black.unique().tolist() == [-1.0]
    ours = model.network.state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize(
    ("others", "told"),
    [
        (["head.weight"], "head.weight"),
        (["weight"], "weight"),
        (["backbones.conv1.weight", "fc_cls.weight", "fc_cls.bias"], "backbones.conv1.weight and 2 more"),
    ],
)
def test_tensors_without_the_networks_prefix_are_left_aside_and_told(tmp_path, others, told):
    state = insightface_state()
    whole = {f"backbone.{name}": tensor for name, tensor in state.items()} | dict.fromkeys(others, torch.zeros(3))
    torch.save({"state_dict": whole}, tmp_path / "model.pth")
    model = open_model(tmp_path / "model.pth")
    assert model.description["ignored"] == told
    torch.save(state, tmp_path / "alone.pth")
    alone = open_model(tmp_path / "alone.pth")
    assert "ignored" not in alone.description and model.fingerprint == alone.fingerprint


def test_tensors_within_the_networks_prefix_must_all_be_its_own(tmp_path):
    state = {f"model.{name}": tensor for name, tensor in insightface_state().items()}
    torch.save(state | {"model.head.weight": torch.zeros(1)}, tmp_path / "adds.pth")
    with pytest.raises(WeightsError, match=r"does not fit the network: .*Unexpected.*head\.weight"):
        open_model(tmp_path / "adds.pth")
    torch.save(without(state, "model.bn2.bias") | {"head.weight": torch.zeros(1)}, tmp_path / "lacks.pth")
    with pytest.raises(WeightsError, match=r"does not fit the network: .*Missing.*bn2\.bias"):
        open_model(tmp_path / "lacks.pth")


def test_of_two_networks_none_is_chosen(tmp_path):
    both = {f"{part}.{name}": tensor for part in ("net", "ema") for name, tensor in insightface_state().items()}
    torch.save(both, tmp_path / "model.pth")
    with pytest.raises(WeightsError, match=r"holds 2 networks \(with net\.fc\.weight and ema\.fc\.weight\); save"):
        open_model(tmp_path / "model.pth")


def test_a_prefixed_mobilefacenet_opens(tmp_path):
    state = MobileFaceNet(32).state_dict()
    save_file({f"net.{name}": tensor for name, tensor in state.items()}, tmp_path / "model.safetensors")
    assert open_model(tmp_path / "model.safetensors").spec == MOBILEFACENET_INPUT


def test_it_opens_from_safetensors_too_and_saved_by_us_is_the_same_model(tmp_path):
    save_file(insightface_state(), tmp_path / "theirs.safetensors")
    model = open_model(tmp_path / "theirs.safetensors")
    again = open_model(model.save(tmp_path / "ours.safetensors"))
    assert again.fingerprint == model.fingerprint and torch.equal(embedded(again), embedded(model))


@pytest.mark.parametrize("layout", [name for name, layout in LAYOUTS.items() if layout.stem_stride == 1])
def test_every_layout_and_size_is_told_from_shapes(layout):
    with torch.device("meta"):
        network, spec, description = foreign_network(IResNet(layout, 512, 112).state_dict(), "file", "not stated")
    assert description["arguments"] == {"layout": layout, "embedding_size": 512, "size_px": 112, "dropout": 0.0}
    assert spec.input_px == (112, 112) and network.fc.weight.shape[0] == 512


def test_a_strided_stem_is_not_guessed_from_shapes(tmp_path):
    torch.save(insightface_state("mini", 64), tmp_path / "backbone.pth")
    with pytest.raises(WeightsError, match=r"of \(16, 32, 64, 128\) channels; known are small, compact"):
        open_model(tmp_path / "backbone.pth")


def without(state: dict, name: str) -> dict:
    return {other: tensor for other, tensor in state.items() if other != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: without(s, "layer2.0.bn3.bias"), r"does not fit the network: .*Missing.*layer2\.0\.bn3\.bias"),
        (lambda s: s | {"head.weight": torch.zeros(1)}, r"does not fit the network: .*Unexpected.*head\.weight"),
        (
            lambda s: (
                s | {"layer1.0.se_block.fc1.weight": torch.zeros(1), "layer1.0.se_block.fc2.weight": torch.zeros(1)}
            ),
            r"squeeze-excitation blocks \(layer1\.0\.se_block\.fc1\.weight and 1 more",
        ),
        (lambda s: s | {"layer3.1.bn1.weight": torch.zeros(1)}, r"\(1, 1, 2, 1\) blocks of \(32, 64, 128, 256\)"),
        (lambda s: s | {"fc.weight": torch.zeros(16, 2 * 3 * 256)}, "1536 features, which are no square of 256"),
        (lambda s: {"weight": torch.zeros(1)}, "unknown architecture; give a model trained by this program"),
        (lambda s: {"state": 3}, "no dictionary of tensors"),
        (lambda s: [1, 2], "no dictionary of tensors"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, change, message):
    torch.save(change(insightface_state()), tmp_path / "model.pth")
    with pytest.raises(WeightsError, match=message):
        open_model(tmp_path / "model.pth")


class Trap:
    """Pickled, it would make a folder when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).mkdir, (self.path,)


def test_a_file_that_would_run_something_is_refused_and_nothing_runs(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1), "trap": Trap(tmp_path / "sprung")}, tmp_path / "model.pth")
    with pytest.raises(WeightsError, match=r"holds more than tensors, .*GLOBAL getattr was not") as caught:
        open_model(tmp_path / "model.pth")
    assert "trust" not in str(caught.value) and "safe_globals" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


def test_a_damaged_and_a_missing_file_are_refused(tmp_path):
    torch.save(insightface_state(), tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:1000])
    for name in ("cut.pth", "missing.pth"):
        with pytest.raises(WeightsError, match=rf"{name} (cannot be read|holds more than tensors, or is damaged)"):
            open_model(tmp_path / name)


def test_a_mobilefacenet_pth_is_the_one_of_safetensors(tmp_path):
    torch.manual_seed(0)
    state = MobileFaceNet(32).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    torch.save({"iters": 5, "net_state_dict": state}, tmp_path / "model.ckpt")
    first, second = open_model(tmp_path / "model.safetensors"), open_model(tmp_path / "model.ckpt")
    assert first.spec == second.spec == MOBILEFACENET_INPUT and first.embedding_size == 32
    assert torch.equal(embedded(first), embedded(second))


def test_the_real_teacher_as_pth_is_the_same(tmp_path, real_data):
    path = real_data / "mobilefacenet_casia.safetensors"
    torch.save(load_file(path), tmp_path / "teacher.pth")
    assert open_model(tmp_path / "teacher.pth").fingerprint == open_model(path).fingerprint


def test_a_specification_given_replaces_the_known_one_if_the_network_takes_it(tmp_path):
    torch.save(insightface_state(), tmp_path / "model.pth")
    cut = InputSpec(40, (4, 4, 32, 32), 0.0, 255.0, "none")
    assert open_model(tmp_path / "model.pth", cut).spec == cut
    with pytest.raises(InputError, match="takes images of 32x32 px, and the specification given makes them 112x112 px"):
        open_model(tmp_path / "model.pth", InputSpec(112))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilefacenet", "torchvision:resnet18", "torchvision:mobilenet_v3_small"])
def test_other_backbones_train_and_open_again(tmp_path, name):
    torch.manual_seed(0)
    network, spec, description = make_backbone(name, 16, 112, 0.4, "nothing")
    network.train()(torch.randn(2, 3, *spec.input_px)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    model = RecognitionModel(network, spec, description)
    again = open_model(model.save(tmp_path / "model.safetensors"))
    assert again.spec == spec and again.description == description | {"kind": KIND}
    assert embedded(again).shape == (3, 32 if spec.mirror == "concat" else 16)
    assert torch.equal(embedded(again), embedded(model))


@pytest.mark.parametrize(
    ("name", "size_px", "message"),
    [
        ("iresnet7", 112, "'iresnet7' does not exist; choose one of mini, small, .*, strided, torchvision"),
        ("torchvision", 112, "backbone 'torchvision' does not exist; write torchvision:<name>"),
        ("small:er", 112, "backbone 'small:er' does not exist; write small"),
        ("mobilefacenet", 64, "size_px = 64: mobilefacenet takes faces of 112 px"),
        ("torchvision:vgg7", 112, "torchvision has no network 'vgg7' for this; choose one of alexnet"),
        ("torchvision:googlenet", 112, "torchvision has no network 'googlenet'"),
        ("torchvision:squeezenet1_0", 8, r"squeezenet1_0 does not take images of 8 px \(.*\); change size_px"),
    ],
)
def test_backbones_that_cannot_be_made_are_refused(name, size_px, message):
    with pytest.raises(InputError, match=message):
        make_backbone(name, 16, size_px, 0.0, "nothing")


WEIGHT = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)) / 16


def write_graph(path, shape=("N", 3, 16, 16), outside=False, outputs=1, flat=True):
    """A graph of one convolution over the whole image, flattened: `[N, 3, 16, 16]` -> `[N, 8]`."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"]),
        helper.make_node("Flatten" if flat else "Relu", ["y"], ["z0"]),
    ]
    nodes += [helper.make_node("Identity", ["z0"], [f"z{i}"]) for i in range(1, outputs)]
    weight = onnx.numpy_helper.from_array(WEIGHT.numpy(), "w")
    takes = helper.make_tensor_value_info("x", number, shape)
    gives = [helper.make_tensor_value_info(f"z{i}", number, None) for i in range(outputs)]
    graph = helper.make_graph(nodes, "graph", [takes], gives, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = {"save_as_external_data": True, "location": f"{path.name}.data", "size_threshold": 0}
    onnx.save(model, path, **(options if outside else {}))
    return path


def expected_of(model: RecognitionModel, images: torch.Tensor) -> torch.Tensor:
    """What the graph computes, by torch, fused as InsightFace does."""
    prepared = (images.float() - 127.5) / 127.5
    rows = [F.conv2d(view, WEIGHT).flatten(1) for view in (prepared, prepared.flip(3))]
    return F.normalize(rows[0] + rows[1])


@pytest.mark.parametrize("shape", [("N", 3, 16, 16), (1, 3, 16, 16)])
def test_an_onnx_graph_embeds_whatever_its_batch(tmp_path, shape):
    model = open_model(write_graph(tmp_path / "model.onnx", shape))
    images = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    assert model.spec == InputSpec(16, mirror="sum") and model.embedding_size == 8
    assert "(x - 127.5) / 127.5" in model.description["input"]
    found = embed_batches(model, [images[:3], images[3:]], make_accelerator("bf16"))
    # A graph runs in its own float32, whatever the accelerator's precision.
    np.testing.assert_allclose(found, expected_of(model, images).numpy(), atol=1e-5)


def test_an_onnx_graph_embeds_a_set_and_is_its_file(tmp_path, rendered_zip):
    path = write_graph(tmp_path / "model.onnx")
    model = open_model(path).to("cpu")
    assert model.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
    assert embed_faces(model, open_faces(rendered_zip(tmp_path / "set.zip", 2, 2, 16)), make_accelerator()).shape == (
        4,
        8,
    )
    assert model.as_file(tmp_path / "teacher.safetensors") == path and not (tmp_path / "teacher.safetensors").exists()
    with pytest.raises(InputError, match="is an ONNX graph, which is not written anew; copy the file"):
        model.save(tmp_path / "copy.safetensors")
    with pytest.raises(InputError, match="gives no gradients"):
        model.single(model.prepare_differentiable(torch.zeros(1, 3, 16, 16, requires_grad=True)))


def test_an_onnx_graph_of_undeclared_size_needs_a_specification(tmp_path):
    path = write_graph(tmp_path / "model.onnx", ("N", 3, "H", "W"))
    with pytest.raises(InputError, match=r"declares images of HxW px.*InputSpec\(112\)"):
        open_model(path)
    spec = InputSpec(20, (2, 2, 16, 16), 0.0, 255.0)
    assert open_model(path, spec).spec == spec
    with pytest.raises(InputError, match=r"takes images of 16x16 px, and the specification makes them \(112, 112\)"):
        open_model(write_graph(tmp_path / "fixed.onnx"), InputSpec(112))


def test_tensors_beside_an_onnx_graph_are_read_count_in_its_fingerprint_and_are_missed(tmp_path):
    path = write_graph(tmp_path / "model.onnx", outside=True)
    model, images = open_model(path), torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(model.fused(model.prepare(images)), expected_of(model, images), rtol=0, atol=1e-5)
    data = tmp_path / "model.onnx.data"
    shutil.copy(data, tmp_path / "kept")
    data.write_bytes(bytes(len(data.read_bytes())))
    assert open_model(path).fingerprint != model.fingerprint
    data.unlink()
    with pytest.raises(WeightsError, match="cannot be read as an ONNX graph.*data"):
        open_model(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (4, 3, 16, 16)}, "takes exactly 4 images at once"),
        ({"shape": ("N", 4, 16, 16)}, "takes one tensor.float. .N, 3, H, W."),
        ({"outputs": 2}, "gives 2 outputs; a recognition model"),
        ({"flat": False}, r"gives \[1, 8, 1, 1\] for 1 images; needed is \[N, d\]"),
        ({"shape": ("N", 3, 8, 8)}, r"failed on images \[1, 3, 8, 8\]"),
    ],
)
def test_onnx_graphs_that_are_no_recognition_model_are_refused(tmp_path, options, message):
    with pytest.raises(WeightsError, match=message):
        open_model(write_graph(tmp_path / "model.onnx", **options))


def test_a_file_that_is_no_onnx_graph_is_refused(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "noise.onnx").write_bytes(bytes(range(8)) * 9)
    with pytest.raises(WeightsError, match="cannot be read as an ONNX graph"):
        open_model(tmp_path / "noise.onnx")


def test_without_the_extra_an_onnx_graph_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"needs the extra `onnx`: run pip install -e '\.\[onnx\]'"):
        open_model(tmp_path / "model.onnx")
