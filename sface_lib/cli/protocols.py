"""The verification pairs of `--protocol`, and the images that they name."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from sface_lib.cli.sets import open_set, print_skipped
from sface_lib.errors import InputError


def open_benchmarks(arguments: Namespace) -> tuple[Any, dict[str, Any]]:
    """The images that the pairs of `--protocol` name, and the pairs by their file: of a folder of .bin, of each."""
    from sface_lib.data import holds_bins, open_bins, read_protocol

    path = arguments.protocol
    if not holds_bins(path):
        protocol = read_protocol(path)
        return open_images(arguments, protocol), {Path(path).stem: protocol}
    faces, protocols = open_bins(path, arguments.on_bad_image)
    faces = _evaluation_set(arguments) if arguments.images else faces
    for protocol in protocols.values():
        _print_skipped_pairs(arguments, faces, protocol)
    return faces, protocols


def open_images(arguments: Namespace, protocol: Any) -> Any:
    """The set with the images that the pairs of `--protocol` name; how many of them are skipped is printed."""
    faces = _evaluation_set(arguments)
    _print_skipped_pairs(arguments, faces, protocol)
    return faces


def _evaluation_set(arguments: Namespace) -> Any:
    """The set of `--images`, or of `--protocol` where that holds images."""
    from sface_lib.data import holds_bins, open_bins

    path = arguments.images or arguments.protocol
    if holds_bins(path):
        return open_bins(path, arguments.on_bad_image)[0]
    if not arguments.images:
        raise InputError(f"{arguments.protocol} holds names of images; give the faces that they name by --images")
    return open_set(path, arguments)


def _print_skipped_pairs(arguments: Namespace, faces: Any, protocol: Any) -> None:
    if arguments.on_bad_image == "skip":
        pairs = np.stack(protocol.resolve(faces), axis=1)
        used = np.unique(pairs)
        inspection = faces.subset(used).inspect()
        skipped_pairs = np.isin(pairs, used[list(inspection.bad_indices)]).any(axis=1)
        print_skipped(inspection.bad, len(used), f", and the {skipped_pairs.sum():,} pairs that name them")
