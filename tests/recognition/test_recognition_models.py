"""Networks carry the field's names and sizes, and models see what their input specification says."""

import itertools

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sface_lib.data import open_faces, read_protocol
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError, WeightsError
from sface_lib.recognition import (
    InputSpec,
    IResNet,
    MobileFaceNet,
    ProtocolPairs,
    RecognitionModel,
    embed_faces,
    evaluate,
    open_model,
    pixel_embeddings,
)
from sface_lib.recognition.models import MOBILEFACENET_INPUT, make_backbone


def small_model(mirror: str = "sum") -> RecognitionModel:
    torch.manual_seed(0)
    network, spec, description = make_backbone("small", 16, 32, 0.4, "nothing")
    return RecognitionModel(network, InputSpec(32, mirror=mirror), description)


@pytest.mark.nightly
def test_the_teacher_scores_what_its_makers_published(real_data):
    """98.68 % on LFW by our loader, network and protocol, from pixels; see the data's own README."""
    faces = open_faces(real_data / "lfw112.tar")
    protocol = read_protocol(real_data / "lfw_pairs.txt")
    left, right = protocol.resolve(faces)
    used, positions = np.unique(np.concatenate([left, right]), return_inverse=True)
    at_left, at_right = np.split(positions, 2)
    pairs = ProtocolPairs(at_left, at_right, protocol.same, protocol.fold, faces.labels[left], faces.labels[right])
    model = open_model(real_data / "mobilefacenet_casia.safetensors")
    embeddings = embed_faces(model, faces.subset(used), make_accelerator("float32"))
    result = evaluate(embeddings, pairs)
    assert 100 * result.accuracy.mean == pytest.approx(98.68, abs=0.05)
    assert 100 * result.accuracy.sd == pytest.approx(0.48, abs=0.05)


def test_the_teacher_embeds_as_its_makers_do(real_data):
    """Theirs are stored in float16: a cosine of two copies differs from 1 by far less than 1e-3."""
    faces = open_faces(real_data / "lfw112.tar")
    stored = np.load(real_data / "lfw_mobilefacenet_embeddings.npz")
    rows = {
        str(name).split("/")[-1].split(".")[0]: row
        for name, row in zip(*(stored[k] for k in ("names", "embeddings")), strict=True)
    }
    stems = [name.split("/")[-1].split(".")[0] for name in faces.names]
    known = [i for i, stem in enumerate(stems) if stem in rows][:64]
    model = open_model(real_data / "mobilefacenet_casia.safetensors")
    ours = embed_faces(model, faces.subset(known), make_accelerator("float32"))
    theirs = np.stack([rows[stems[i]] for i in known]).astype(np.float64)
    assert len(known) == 64 and np.einsum("nd,nd->n", ours, theirs).min() > 0.999


def test_mobilefacenet_lacking_or_adding_a_tensor_is_refused(tmp_path):
    state = MobileFaceNet().state_dict()
    kept = {name: tensor for name, tensor in state.items() if name != "conv2.bn.weight"}
    save_file(kept, tmp_path / "lacks.safetensors")
    with pytest.raises(WeightsError, match=r"conv2\.bn\.weight"):
        open_model(tmp_path / "lacks.safetensors")
    save_file(state | {"extra.weight": torch.zeros(1)}, tmp_path / "adds.safetensors")
    with pytest.raises(WeightsError, match=r"extra\.weight"):
        open_model(tmp_path / "adds.safetensors")


def test_files_that_are_no_model_are_refused(tmp_path):
    (tmp_path / "text.safetensors").write_text("not weights")
    with pytest.raises(WeightsError, match=r"text\.safetensors is text that begins with 'not weights'; give the file"):
        open_model(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "unknown.safetensors")
    with pytest.raises(WeightsError, match="unknown architecture"):
        open_model(tmp_path / "unknown.safetensors")


def test_mobilefacenet_has_one_million_parameters():
    assert sum(p.numel() for p in MobileFaceNet().parameters()) == pytest.approx(1.0e6, rel=0.02)


# iResNet-18's published 24,025,600; the others add blocks of 18 C^2 + 7 C at the four widths.
WIDTHS = (64, 128, 256, 512)
ADDED = {"iresnet18": (0, 0, 0, 0), "iresnet34": (1, 2, 4, 1), "iresnet50": (1, 2, 12, 1), "iresnet100": (1, 11, 28, 1)}


@pytest.mark.parametrize(("layout", "blocks"), ADDED.items())
def test_iresnets_have_the_published_size_and_names(layout, blocks):
    parameters = 24_025_600 + sum(count * (18 * c**2 + 7 * c) for count, c in zip(blocks, WIDTHS, strict=True))
    network = IResNet(layout, 512, 112)
    assert sum(p.numel() for p in network.parameters()) == parameters
    names = set(network.state_dict())
    assert {
        "conv1.weight",
        "bn1.running_mean",
        "prelu.weight",
        "layer1.0.bn1.weight",
        "layer1.0.conv1.weight",
        "layer1.0.prelu.weight",
        "layer1.0.bn3.bias",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.running_var",
        "layer4.1.conv2.weight",
        "bn2.weight",
        "fc.weight",
        "fc.bias",
        "features.running_mean",
    } <= names


@pytest.mark.parametrize(("size_px", "side"), [(32, 1), (64, 2), (112, 4)])
def test_a_strided_stem_halves_every_map_and_rounds_up(size_px, side):
    """Eight 3x3 convolutions, a 1x1 beside each pair, norms, slopes, and a linear layer from 128 maps of this side."""
    network, widths = IResNet("mini", 128, size_px), (16, 16, 32, 64, 128)
    blocks = sum(9 * n_in * n + 9 * n * n + n_in * n + 2 * n_in + 7 * n for n_in, n in itertools.pairwise(widths))
    wanted = 3 * 9 * 16 + 3 * 16 + blocks + 2 * 128 + 128 * side**2 * 128 + 128 + 2 * 128
    assert sum(p.numel() for p in network.parameters()) == wanted
    assert network.eval()(torch.zeros(2, 3, size_px, size_px)).shape == (2, 128)


def test_iresnets_begin_as_in_the_published_code():
    """Kernels from N(0, 0.1), norms as identity, slopes of 0.25; the last norm's scale is one and is not trained."""
    torch.manual_seed(0)
    network = IResNet("iresnet18", 512, 112)
    kernels = torch.cat([p.flatten() for name, p in network.named_parameters() if p.ndim == 4])
    # Eleven million draws: the standard error of their deviation is 2e-5.
    assert kernels.std().item() == pytest.approx(0.1, abs=1e-4) and abs(kernels.mean().item()) < 2e-4
    state = network.state_dict()
    assert all(
        state[f"layer1.0.bn{i}.weight"].eq(1).all() and state[f"layer1.0.bn{i}.bias"].eq(0).all() for i in (1, 2, 3)
    )
    assert state["prelu.weight"].eq(0.25).all() and state["features.weight"].eq(1).all()
    assert [name for name, p in network.named_parameters() if not p.requires_grad] == ["features.weight"]


def test_impossible_networks_are_refused():
    with pytest.raises(InputError, match="'iresnet7' does not exist; choose one of mini, small, compact, iresnet18"):
        IResNet("iresnet7")
    with pytest.raises(InputError, match="multiple of 16"):
        IResNet("small", size_px=40)


def test_mobilefacenet_sees_columns_8_to_103_in_its_own_range():
    model = RecognitionModel(MobileFaceNet(), MOBILEFACENET_INPUT, {"embedding_size": 128})
    column = torch.arange(112, dtype=torch.uint8).expand(1, 3, 112, 112)
    prepared = model.prepare(column)
    assert prepared.shape == (1, 3, 112, 96)
    assert prepared[0, 0, 0, 0].item() == (8 - 127.5) / 128 and prepared[0, 0, 0, -1].item() == (103 - 127.5) / 128


@pytest.mark.parametrize("bad", [torch.zeros(1, 3, 32, 32), torch.zeros(3, 32, 32, dtype=torch.uint8)])
def test_images_of_another_type_or_shape_are_refused(bad):
    with pytest.raises(InputError, match="must be uint8"):
        small_model().prepare(bad)


def test_mirror_fusion_does_not_tell_an_image_from_its_mirror():
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    model = small_model("sum")
    both = [model.fused(model.prepare(view)) for view in (images, images.flip(3))]
    torch.testing.assert_close(*both)
    torch.testing.assert_close(both[0].norm(dim=1), torch.ones(2))
    model = small_model("concat")
    first, second = (model.fused(model.prepare(view)) for view in (images, images.flip(3)))
    torch.testing.assert_close(first, second.roll(16, 1))


def test_a_saved_model_gives_the_same_bits(tmp_path):
    model, images = small_model(), torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    opened = open_model(model.save(tmp_path / "model.safetensors"))
    assert opened.spec == model.spec and opened.embedding_size == 16
    assert torch.equal(model.fused(model.prepare(images)), opened.fused(opened.prepare(images)))
    assert set(load_file(tmp_path / "model.safetensors")) == set(model.network.state_dict())


def test_embeddings_keep_the_sets_order(tmp_path, rendered_zip):
    faces = open_faces(rendered_zip(tmp_path / "set.zip", 3, 4, 32))
    model, accelerator = small_model(), make_accelerator("float32")
    rows = embed_faces(model, faces, accelerator)
    assert rows.shape == (12, 16) and rows.dtype == np.float32
    alone = embed_faces(model, faces.subset([7]), accelerator)
    # Another batch size may sum in another order.
    np.testing.assert_allclose(rows[7], alone[0], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(pixel_embeddings(faces), axis=1), 1, atol=1e-5)
