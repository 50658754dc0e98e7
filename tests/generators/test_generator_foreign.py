"""Official StyleGAN2-ADA files are read without their code, and nothing else is.

The files here are pickled as the official code pickles: every module names one function of the repository and hands it
a source text and a state. Beside the project, files made by the official code at commit d72cc7d (sha256 28d9bdf9...68e6
without and 2d6f315c...d85b with 7 classes, 32 px, base 1024, clamp 256) gave images and logits equal to 1e-5.
"""

import collections
import math
import pickle
import sys
import types

import numpy as np
import plain_stylegan2 as plain
import pytest
import torch

from sface_lib.errors import InputError, WeightsError
from sface_lib.generators.stylegan2.foreign import import_stylegan2
from sface_lib.generators.stylegan2.start import open_pair

SIZE, WIDTHS, W, LAYERS = 16, {4: 12, 8: 12, 16: 8}, 10, 3


class Module:
    """A module whose pickle looks like one of the official repository's."""

    def __init__(self, class_name, parameters=(), buffers=(), children=(), **attributes):
        self.class_name = class_name
        given = {"_parameters": parameters, "_buffers": buffers, "_modules": children}
        self.state = {name: collections.OrderedDict(value) for name, value in given.items()} | attributes

    def __reduce__(self):
        source = "raise RuntimeError('the source was run')"
        meta = {"type": "class", "version": 6, "module_src": source, "class_name": self.class_name, "state": self.state}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


@pytest.fixture(autouse=True)
def official_names(monkeypatch):
    """Stand-ins for the modules that an official pickle names; they exist while the files are written."""

    def _reconstruct_persistent_obj(meta):
        raise AssertionError("the official function is never called by the reader")

    class EasyDict(dict):
        pass

    for module, member in (("torch_utils.persistence", _reconstruct_persistent_obj), ("dnnlib.util", EasyDict)):
        for name in (module.partition(".")[0], module):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        member.__module__, member.__qualname__ = module, member.__name__
        setattr(sys.modules[module], member.__name__, member)


def normal(*shape):
    return torch.nn.Parameter(torch.randn(shape))


def dense(n_in, n_out, rate=1.0):
    parameters = {"weight": normal(n_out, n_in), "bias": normal(n_out)}
    # As in the official files, gains are numpy numbers.
    return Module("FullyConnectedLayer", parameters, weight_gain=np.float64(rate) / np.sqrt(n_in), bias_gain=rate)


def mapping(z, c, w, layers):
    children = {"embed": dense(c, w)} if c else {}
    first = z + (w if c else 0)
    children |= {f"fc{i}": dense(first if i == 0 else w, w, 0.01) for i in range(layers)}
    return Module("MappingNetwork", {}, {"w_avg": torch.randn(w)} if z else {}, children, num_layers=layers)


def synthesis_layer(n_in, n_out, r, kernel, clamp):
    parameters = {"weight": normal(n_out, n_in, kernel, kernel), "bias": normal(n_out)}
    buffers = {}
    if kernel == 3:
        parameters["noise_strength"] = normal()
        buffers = {"noise_const": torch.randn(r, r), "resample_filter": plain.FILTER.float()}
    affine = {"affine": dense(W, n_in)}
    return Module("Layer", parameters, buffers, affine, conv_clamp=clamp, use_noise=True, activation="lrelu")


def generator(c, clamp, **changes):
    blocks = {}
    for r, width in WIDTHS.items():
        children = {
            "conv1": synthesis_layer(width, width, r, 3, clamp),
            "torgb": synthesis_layer(width, 3, r, 1, clamp),
        }
        if r > 4:
            children["conv0"] = synthesis_layer(WIDTHS[r // 2], width, r, 3, clamp)
        constant = {"const": normal(width, 4, 4)} if r == 4 else {}
        blocks[f"b{r}"] = Module("SynthesisBlock", constant, {}, children, architecture="skip")
    synthesis = Module("SynthesisNetwork", {}, {}, blocks, block_resolutions=list(WIDTHS))
    values = {"img_resolution": SIZE, "img_channels": 3, "z_dim": W, "c_dim": c, "w_dim": W} | changes
    return Module("Generator", {}, {}, {"mapping": mapping(W, c, W, LAYERS), "synthesis": synthesis}, **values)


def conv(n_in, n_out, kernel, clamp, bias=True):
    parameters = {"weight": normal(n_out, n_in, kernel, kernel)} | ({"bias": normal(n_out)} if bias else {"bias": None})
    return Module("Conv2dLayer", parameters, {"resample_filter": plain.FILTER.float()}, conv_clamp=clamp)


def discriminator(c, clamp):
    blocks = {}
    for r in (16, 8):
        children = {"fromrgb": conv(3, WIDTHS[r], 1, clamp)} if r == SIZE else {}
        children |= {"conv0": conv(WIDTHS[r], WIDTHS[r], 3, clamp), "conv1": conv(WIDTHS[r], WIDTHS[r // 2], 3, clamp)}
        children["skip"] = conv(WIDTHS[r], WIDTHS[r // 2], 1, None, bias=False)
        blocks[f"b{r}"] = Module("DiscriminatorBlock", {}, {}, children)
    width = WIDTHS[4]
    last = {
        "conv": conv(width + 1, width, 3, clamp),
        "fc": dense(width * 16, width),
        "out": dense(width, width if c else 1),
    }
    last["mbstd"] = Module("MinibatchStdLayer", group_size=4, num_channels=1)
    blocks["b4"] = Module("DiscriminatorEpilogue", {}, {}, last, architecture="resnet", cmap_dim=width if c else 0)
    if c:
        blocks["mapping"] = mapping(0, c, width, 8)
    return Module("Discriminator", {}, {}, blocks, c_dim=c)


def tensors(module, prefix=""):
    """All tensors by their official names, float64."""
    found = {}
    for kind in ("_parameters", "_buffers"):
        found |= {prefix + k: v.detach().double() for k, v in module.state[kind].items() if v is not None}
    for name, child in module.state["_modules"].items():
        found |= tensors(child, f"{prefix}{name}.")
    return found


def write(path, **content):
    with open(path, "wb") as stream:
        pickle.dump({"training_set_kwargs": sys.modules["dnnlib.util"].EasyDict(path="x")} | content, stream)
    return path


@pytest.mark.parametrize(("classes", "clamp"), [(0, None), (5, None), (5, 0.9)])
def test_an_official_file_draws_and_judges_as_its_formulas_say(tmp_path, classes, clamp):
    torch.manual_seed(1)
    g, d = generator(classes, clamp), discriminator(classes, clamp)
    ours, judge = import_stylegan2(write(tmp_path / "net.pkl", G=g, D=d, G_ema=g, augment_pipe=None))
    assert (ours.spec.n_classes, ours.spec.resolution_px, ours.spec.clamp) == (classes, SIZE, clamp)
    assert [ours.spec.channels(r) for r in WIDTHS] == list(WIDTHS.values())
    z, labels = torch.randn(8, W, dtype=torch.float64), torch.arange(8) % max(classes, 1)
    each = labels.tolist() if classes else [None] * 8
    names = tensors(g)
    expected = torch.stack([plain.generate(names, *one, 0.7, SIZE, LAYERS, clamp) for one in zip(z, each, strict=True)])
    with torch.no_grad():
        images = ours.double()(z, labels, psi=0.7, fixed_noise=True)
        logits = judge.double()(expected, labels)
    torch.testing.assert_close(images, expected, rtol=1e-6, atol=1e-6)
    wanted = plain.judge(tensors(d), expected, each if classes else None, SIZE, 8, clamp)
    torch.testing.assert_close(logits, wanted, rtol=1e-6, atol=1e-6)


def test_a_file_without_a_discriminator_gives_the_generator_alone(tmp_path):
    ours, judge = import_stylegan2(write(tmp_path / "net.pkl", G_ema=generator(5, None)))
    assert ours.spec.n_classes == 5 and judge is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"img_channels": 1}, "img_channels is 1; only networks with 3"),
        ({"z_dim": 8}, "z_dim is 8; only networks with 10"),
    ],
)
def test_another_architecture_is_refused_by_its_name(tmp_path, changes, sentence):
    path = write(tmp_path / "net.pkl", G_ema=generator(0, None, **changes))
    with pytest.raises(WeightsError, match=sentence):
        import_stylegan2(path)


def test_networks_laid_out_otherwise_are_refused(tmp_path):
    path = write(tmp_path / "net.pkl", G_ema=Module("Generator", img_resolution=16))
    with pytest.raises(WeightsError, match="not laid out as StyleGAN2-ADA's"):
        import_stylegan2(path)


@pytest.mark.parametrize("content", [{}, {"G_ema": 3}, {"G_ema": None}])
def test_a_pickle_of_something_else_is_refused(tmp_path, content):
    with pytest.raises(WeightsError, match="holds no StyleGAN2-ADA generator"):
        import_stylegan2(write(tmp_path / "net.pkl", **content))


class Malicious:
    """Pickles as a call of any function with any arguments."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "name"), [(exec, "builtins.exec"), (math.sqrt, "math.sqrt"), (getattr, "getattr")]
)
def test_a_pickle_that_calls_anything_is_refused_before_it_does(tmp_path, function, name):
    target = tmp_path / "touched"
    path = write(tmp_path / "net.pkl", G_ema=Malicious(function, f"open({str(target)!r}, 'w')"))
    with pytest.raises(InputError, match=f"asks for .*{name}, .* was not opened, so get the file itself"):
        import_stylegan2(path)
    assert not target.exists()


def test_code_hidden_in_a_storage_is_not_run_either(tmp_path):
    target = tmp_path / "touched"
    inner = pickle.dumps(Malicious(exec, f"open({str(target)!r}, 'w')"))
    path = write(tmp_path / "net.pkl", G_ema=Malicious(torch.storage._load_from_bytes, inner))
    with pytest.raises(InputError, match="no whole pickle"):
        import_stylegan2(path)
    assert not target.exists()


def test_numpy_values_that_hold_objects_are_refused(tmp_path):
    path = write(tmp_path / "net.pkl", G_ema=np.dtype("O"))
    with pytest.raises(InputError, match="only numbers are read"):
        import_stylegan2(path)


def test_a_file_cut_short_is_refused(tmp_path):
    path = write(tmp_path / "net.pkl", G_ema=generator(0, None))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"net\.pkl is no whole pickle"):
        import_stylegan2(path)


def test_a_report_draws_from_an_official_file_and_trains_on_only_with_its_discriminator(tmp_path):
    alone = write(tmp_path / "alone.pkl", G_ema=generator(5, None))
    start = open_pair(alone, to_train=False)
    assert start.discriminator is None and start.generator.spec.n_classes == 5 and len(start.fingerprint) == 64
    with pytest.raises(WeightsError, match="holds no discriminator.*; set total_kimg=0"):
        open_pair(alone, to_train=True)
    both = open_pair(write(tmp_path / "both.pkl", G_ema=generator(5, None), D=discriminator(5, None)), to_train=True)
    assert both.discriminator is not None and both.kimg == 0
