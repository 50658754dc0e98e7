"""Faces on disk <-> tensors: formats, transforms, splits, verification protocols."""

from sface_lib.data.batches import FaceBatches
from sface_lib.data.convert import convert_set, describe_set
from sface_lib.data.faces import FaceSet
from sface_lib.data.joining import holds_bins, join, labels_asked, open_bins, parts
from sface_lib.data.manifest import Manifest
from sface_lib.data.opening import open_faces
from sface_lib.data.protocol import Protocol, parse_folds, read_protocol, write_protocol
from sface_lib.data.splits import (
    first_of_class,
    place_in_class,
    read_selection,
    select_images,
    split_by_identity,
    write_selection,
)
from sface_lib.data.transforms import centre_square, resize_images, to_uint8, to_unit_range
from sface_lib.data.verification import write_bin
from sface_lib.data.write import encode_png, write_encoded, write_faces

__all__ = [
    "FaceBatches",
    "FaceSet",
    "Manifest",
    "Protocol",
    "centre_square",
    "convert_set",
    "describe_set",
    "encode_png",
    "first_of_class",
    "holds_bins",
    "join",
    "labels_asked",
    "open_bins",
    "open_faces",
    "parse_folds",
    "parts",
    "read_protocol",
    "place_in_class",
    "read_selection",
    "resize_images",
    "select_images",
    "split_by_identity",
    "to_uint8",
    "to_unit_range",
    "write_bin",
    "write_encoded",
    "write_faces",
    "write_protocol",
    "write_selection",
]
