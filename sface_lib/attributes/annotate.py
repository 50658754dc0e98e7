"""Annotating whole sets: batched, resumable, over processes, into one parquet table."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from accelerate import Accelerator
from tqdm import tqdm

from sface_lib.attributes.classifier import PASSES, Annotations, AttributeClassifier, check_draws
from sface_lib.data import FaceSet
from sface_lib.errors import InputError
from sface_lib.files import atomic_path, claim_folder
from sface_lib.recognition import Embedder
from sface_lib.recognition.embedding import batch_size

BLOCK = 1024  # Images that are annotated together; what dropout draws belongs to a block.
RECIPE_FILE = "annotate.json"
PROBABILITY, CONFIDENCE = "_probability", "_confidence"


def annotate_faces(
    classifier: AttributeClassifier, faces: FaceSet, embedder: Embedder, seed: int = 0, passes: int = PASSES
) -> Annotations:
    """Annotations of a set, in its order."""
    rows = embedder.embed(classifier.embedder, faces, fuse=False)
    classifier.to(embedder.accelerator.device)
    blocks = (rows[_positions(block, len(faces))] for block in range(_blocks(len(faces))))
    return _joined(classifier.names, [classifier.annotate(own, seed, i, passes) for i, own in enumerate(blocks)])


def annotate_images(
    classifier: AttributeClassifier, images: np.ndarray, accelerator: Accelerator, seed: int = 0, passes: int = PASSES
) -> Annotations:
    """Annotations of images uint8 RGB `[N, 3, S, S]`."""
    blocks = [torch.from_numpy(images[_positions(block, len(images))]) for block in range(_blocks(len(images)))]
    annotations = [_annotate_block(classifier, part, accelerator, i, seed, passes) for i, part in enumerate(blocks)]
    return _joined(classifier.names, annotations)


def annotate_set(
    classifier: AttributeClassifier,
    faces: FaceSet,
    out: str | Path,
    accelerator: Accelerator,
    seed: int = 0,
    passes: int = PASSES,
) -> Path:
    """Write the annotations of a set as one parquet table: a row an image, in the set's order.

    Columns: `name`; `identity`, its name, null in an unlabelled set; and for each attribute its label (int8, 1 present
    or -1 absent), `<attribute>_probability` and `<attribute>_confidence` (float32). The table's metadata says under
    `sface` what made it and how reliable each attribute is.

    Finished blocks lie in `<out>.parts` until the end: a run that was stopped goes on, and processes share them.

    Parameters
    ----------
    out
        A path that ends in .parquet.
    seed, passes
        Of the stochastic passes behind the confidence.

    Raises
    ------
    InputError
        Another suffix, a table that exists already, or parts of another recipe.
    """
    out = Path(out)
    check_draws(seed, passes)
    if out.suffix != ".parquet":
        raise InputError(f"'{out}' does not end in .parquet; give a file such as annotations.parquet")
    if out.exists():
        raise InputError(f"'{out}' exists already; remove it or give another path")
    folder = out.with_name(out.name + ".parts")
    recipe = {"classifier": classifier.fingerprint, "faces": faces.fingerprint, "seed": seed, "passes": passes}
    if accelerator.is_main_process:
        claim_folder(folder, RECIPE_FILE, recipe)
    accelerator.wait_for_everyone()
    schema = table_schema(classifier.names, recipe | {"reliability": classifier.description["reliability"]})
    missing = [block for block in range(_blocks(len(faces))) if not _part(folder, block).exists()]
    own = missing[accelerator.process_index :: accelerator.num_processes]
    accelerator.wait_for_everyone()
    with tqdm(total=len(own), unit="block", desc="annotate", disable=not accelerator.is_main_process) as bar:
        for block in own:
            images = faces.load(_positions(block, len(faces)), size_px=classifier.embedder.spec.size_px)
            annotations = _annotate_block(classifier, images, accelerator, block, seed, passes)
            with atomic_path(_part(folder, block)) as temporary:
                pq.write_table(_table(annotations, faces, block, schema), temporary)
            bar.update()
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        with atomic_path(out) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for block in range(_blocks(len(faces))):
                writer.write_table(pq.read_table(_part(folder, block), schema=schema))
        shutil.rmtree(folder)
    accelerator.wait_for_everyone()
    return out


def table_schema(names: tuple[str, ...], about: dict) -> pa.Schema:
    """Columns of an annotation table, with what made it in the metadata."""
    fields = [pa.field("name", pa.string(), nullable=False), pa.field("identity", pa.string())]
    for name in names:
        fields.append(pa.field(name, pa.int8(), nullable=False))
        fields += [pa.field(name + end, pa.float32(), nullable=False) for end in (PROBABILITY, CONFIDENCE)]
    return pa.schema(fields, metadata={"sface": json.dumps(about)})


def _table(annotations: Annotations, faces: FaceSet, block: int, schema: pa.Schema) -> pa.Table:
    positions = _positions(block, len(faces))
    labels = None if faces.labels is None else faces.labels[positions]
    columns = {
        "name": [faces.names[i] for i in positions],
        "identity": [None] * len(positions) if labels is None else [faces.identities[label] for label in labels],
    }
    for i, name in enumerate(annotations.names):
        columns |= {name: annotations.label[:, i], name + PROBABILITY: annotations.probability[:, i]}
        columns[name + CONFIDENCE] = annotations.confidence[:, i]
    return pa.table(columns, schema=schema)


def _annotate_block(
    classifier: AttributeClassifier, images: torch.Tensor, accelerator: Accelerator, block: int, seed: int, passes: int
) -> Annotations:
    batches = images.split(batch_size(accelerator))
    embeddings = np.concatenate(list(classifier.embeddings(batches, accelerator)))
    return classifier.to(accelerator.device).annotate(embeddings, seed, block, passes)


def _joined(names: tuple[str, ...], blocks: list[Annotations]) -> Annotations:
    parts = ("probability", "confidence", "label", "embedding")
    return Annotations(names, *(np.concatenate([getattr(block, part) for block in blocks]) for part in parts))


def _blocks(count: int) -> int:
    return -(-count // BLOCK)


def _positions(block: int, count: int) -> np.ndarray:
    return np.arange(block * BLOCK, min((block + 1) * BLOCK, count))


def _part(folder: Path, block: int) -> Path:
    return folder / f"{block:07d}.parquet"
