"""Faces on disk <-> tensors: formats, transforms, splits, verification protocols."""

from sface_lib.data.batches import FaceBatches
from sface_lib.data.faces import FaceSet, open_faces
from sface_lib.data.manifest import Manifest
from sface_lib.data.protocol import Protocol, parse_folds, read_protocol, write_protocol
from sface_lib.data.splits import place_in_class, select_images, split_by_identity
from sface_lib.data.transforms import centre_square, resize_images, to_uint8, to_unit_range
from sface_lib.data.write import encode_png, write_faces

__all__ = [
    "FaceBatches",
    "FaceSet",
    "Manifest",
    "Protocol",
    "centre_square",
    "encode_png",
    "open_faces",
    "parse_folds",
    "read_protocol",
    "resize_images",
    "place_in_class",
    "select_images",
    "split_by_identity",
    "to_uint8",
    "to_unit_range",
    "write_faces",
    "write_protocol",
]
