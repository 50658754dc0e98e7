"""What late notebooks open is opened before the first one starts."""

import numpy as np
import pytest

from sface_lib.chapters.inputs import open_inputs
from sface_lib.chapters.profiles import build_parameters
from sface_lib.errors import InputError, WeightsError


def opened(tmp_path, name, synthetic):
    """Open the inputs of a report that is given vectors for one of its models."""
    given = tmp_path / "judge.npz"
    np.savez(given, files=np.array(["a.png", "b.png"]), vectors=np.eye(2, dtype=np.float32))
    open_inputs(build_parameters("smoke", {name: str(given), "synthetic": synthetic}))


@pytest.mark.parametrize(
    ("name", "synthetic", "purpose"),
    [("teacher", "floor=embedded", "as a teacher"), ("identity_model", "generated", "to steer a generator")],
)
def test_vectors_are_refused_where_a_network_is_needed(tmp_path, name, synthetic, purpose):
    said = f"judge.npz' holds vectors of named images and no network: it judges sets, and cannot serve {purpose}"
    with pytest.raises(InputError, match=said):
        opened(tmp_path, name, synthetic)


@pytest.mark.parametrize("name", ["verifier", "second_verifier"])
def test_vectors_may_judge_what_is_given_as_far_as_they_go_and_nothing_that_is_drawn(tmp_path, name):
    with pytest.raises(InputError, match="'.*judge.npz' lacks 144 of 144 images of"):
        opened(tmp_path, name, "floor=embedded")
    with pytest.raises(InputError, match=f"{name} = '.*judge.npz' holds vectors of named images, and can have none"):
        opened(tmp_path, name, "generated, floor=embedded")


def test_networks_that_are_evaluated_are_opened_too(tmp_path):
    broken = tmp_path / "net.safetensors"
    broken.write_bytes(b"no network")
    shipped = {"name": "floor", "path": "embedded", "model": str(broken)}
    for given in ({"baseline_model": str(broken)}, {"synthetic": [shipped]}):
        with pytest.raises(WeightsError, match="net.safetensors"):
            open_inputs(build_parameters("smoke", given))
