"""The network that embeds gives what the network that was trained gives, and leaves that one as it is."""

import numpy as np
import pytest
import torch
from torch import nn

from sface_lib.engine import make_accelerator
from sface_lib.population.shipped import VERIFIER_PATH, shipped_faces
from sface_lib.recognition import InputSpec, RecognitionModel, embed_faces, make_backbone, open_model
from sface_lib.recognition.inference import NORMS, folded

BACKBONES = {
    "compact": 32,
    "iresnet18": 32,
    "iresnet50": 32,
    "mobilefacenet": 112,
    "torchvision:resnet18": 64,
    "torchvision:mobilenet_v3_small": 64,
}


def model_with_statistics(name: str) -> RecognitionModel:
    """A model whose norms have seen images, and then have scales and shifts of their own."""
    torch.manual_seed(0)
    network, spec, description = make_backbone(name, 16, BACKBONES[name], 0.4, "nothing")
    norms = [module for module in network.modules() if isinstance(module, NORMS)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.randn(8, 3, *spec.input_px))
        for norm in norms:
            norm.running_mean += 0.3 * norm.running_var.sqrt() * torch.randn(norm.num_features)
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0, 0.3)
    return RecognitionModel(network, spec, description)


def images(model: RecognitionModel) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(4, 3, *model.spec.input_px).contiguous(memory_format=torch.channels_last)


def norms_of(network: nn.Module) -> int:
    return sum(isinstance(module, NORMS) for module in network.modules())


@pytest.mark.parametrize("name", BACKBONES)
@torch.no_grad()
def test_folded_networks_agree_in_float32(name):
    model = model_with_statistics(name)
    expected, found = model.network(images(model)), model.for_inference().network(images(model))
    # Sums of up to 4,608 products in another order; a float32 has a step of 1e-7.
    assert (found - expected).norm() / expected.norm() < 1e-5


@pytest.mark.parametrize(("name", "left"), [("iresnet18", 8 + 1), ("mobilefacenet", 0), ("torchvision:resnet18", 0)])
def test_only_norms_before_padding_or_flattening_are_left(name, left):
    """An iResNet keeps one a block, of which iResNet-18 has eight, and the one that the features pass."""
    model = model_with_statistics(name)
    assert norms_of(model.for_inference().network) == left < norms_of(model.network)


@pytest.mark.parametrize("name", ["compact", "mobilefacenet"])
@torch.no_grad()
def test_in_bf16_it_is_the_autocast_of_the_folded_network_with_weights_rounded_once(name):
    model = model_with_statistics(name)
    x, plain = images(model), folded(model.network).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        fast = model.for_inference()
        assert torch.equal(fast.network(x), plain(x))
        in_bf16 = fast.single(x)
    assert {m.weight.dtype for m in fast.network.modules() if isinstance(m, nn.Conv2d)} == {torch.bfloat16}
    # bf16 has eight bits: embeddings turn by a degree or two (cosine 0.9994), not by more.
    assert (in_bf16 * model.single(x)).sum(1).min() > 0.999


def test_the_model_itself_is_untouched(tmp_path):
    model = model_with_statistics("compact")
    before, names = model.fingerprint, [name for name, _ in model.network.named_modules()]
    first = model.save(tmp_path / "before.safetensors").read_bytes()
    with torch.autocast("cpu", torch.bfloat16):
        model.for_inference()
    assert model.fingerprint == before and [name for name, _ in model.network.named_modules()] == names
    assert model.save(tmp_path / "after.safetensors").read_bytes() == first


@torch.no_grad()
def test_it_is_made_once_and_again_when_a_weight_has_changed():
    model = model_with_statistics("compact")
    first = model.for_inference()
    assert model.for_inference() is first
    model.network.features.running_mean += 1
    again = model.for_inference()
    torch.testing.assert_close(again.single(images(model)), model.single(images(model)), rtol=0, atol=1e-5)
    assert again is not first


def test_a_network_without_norms_is_used_as_it_is():
    model = RecognitionModel(nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten()), InputSpec(8), {"embedding_size": 4})
    assert model.for_inference().network is model.network


def test_sets_are_embedded_as_the_network_would():
    faces = shipped_faces("balanced").subset(np.arange(0, 400, 20))
    model = open_model(VERIFIER_PATH)
    with torch.no_grad():
        expected = model.fused(model.prepare(faces.load(np.arange(20), size_px=64))).numpy()
    # Unit vectors: 1e-5 is the relative error of float32; in bf16 the cosine may fall to 0.999.
    np.testing.assert_allclose(embed_faces(model, faces, make_accelerator("float32")), expected, atol=1e-5)
    in_bf16 = embed_faces(model, faces, make_accelerator("bf16"))
    assert in_bf16.dtype == np.float32 and (in_bf16 * expected).sum(1).min() > 0.999
