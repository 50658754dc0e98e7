"""dlib's public model as a network of ours gives what dlib gives."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sface_lib.data.template import TEMPLATE_EYES
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError, WeightsError
from sface_lib.matching import compare_within
from sface_lib.population import first_images, shipped_faces
from sface_lib.recognition import dlib_model, embed_faces
from sface_lib.recognition.dlib_model import CROP_EYES, DlibNetwork, dlib_crop, dlib_file, open_dlib_model


@pytest.mark.slow
def test_descriptors_are_those_of_dlib():
    dlib = pytest.importorskip("dlib")
    theirs = dlib.face_recognition_model_v1(str(dlib_file()))
    crops = dlib_crop(shipped_faces("balanced").load(np.arange(0, 200, 20), size_px=112)).round()
    expected = [theirs.compute_face_descriptor(np.ascontiguousarray(c.permute(1, 2, 0).byte())) for c in crops]
    ours = open_dlib_model().network
    with torch.no_grad():
        x = F.max_pool2d(F.relu(ours.first((crops - ours.means) / 256)), 3, 2)
        for block in ours.blocks:
            x = block(x)
        found = ours.last(x.mean((2, 3)))
    np.testing.assert_allclose(found.numpy(), np.array([np.array(row) for row in expected]), atol=1e-5)


def test_the_eyes_of_an_aligned_face_lie_where_dlib_wants_them():
    """A bright spot at each eye of the template comes out at the eyes of the crop, to a pixel."""
    y, x = np.mgrid[:112, :112]
    for eye, wanted in zip(TEMPLATE_EYES * 112, CROP_EYES * 150, strict=True):
        spot = np.exp(-((x + 0.5 - eye[0]) ** 2 + (y + 0.5 - eye[1]) ** 2) / 8)
        crop = dlib_crop(torch.from_numpy(255 * spot)[None, None].expand(1, 3, -1, -1).float())[0, 0].numpy()
        row, column = np.unravel_index(crop.argmax(), crop.shape)
        assert abs(column + 0.5 - wanted[0]) <= 1.5 and abs(row + 0.5 - wanted[1]) <= 1.5


def test_it_tells_rendered_persons_apart_at_any_size():
    faces = shipped_faces("balanced")
    faces = faces.subset(first_images(faces, 30, 4))
    found = embed_faces(open_dlib_model(), faces, make_accelerator("float32"))
    assert found.shape == (120, 128) and compare_within(found, faces.labels).metrics().eer < 0.15


def test_a_file_of_something_else_and_a_missing_extra_are_refused(monkeypatch):
    with pytest.raises(WeightsError, match="is not the network that is known"):
        DlibNetwork().read(b"\x01\x05con_4\x01\x02" + b"\x01\x01" * 40)
    monkeypatch.setattr(dlib_model, "dlib_file", lambda: None)
    with pytest.raises(InputError, match="needs the extra `align`"):
        open_dlib_model()
