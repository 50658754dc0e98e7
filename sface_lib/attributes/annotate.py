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

BLOCK_IMAGES = 1024  # Images that are annotated together; what dropout draws belongs to a block.
RECIPE_FILE = "annotate.json"
PROBABILITY, CONFIDENCE = "_probability", "_confidence"


def annotate_faces(
    classifier: AttributeClassifier,
    faces: FaceSet,
    embedder: Embedder,
    seed: int = 0,
    passes: int = PASSES,
    block_images: int = BLOCK_IMAGES,
) -> Annotations:
    """Annotations of a set, in its order.

    Dropout draws anew for each block of `block_images`: another size gives other confidences.
    """
    rows = embedder.embed(classifier.embedder, faces, fuse=False)
    classifier.to(embedder.accelerator.device)
    blocks = _blocks(len(faces), block_images)
    parts = [classifier.annotate(rows[block], seed, i, passes) for i, block in enumerate(blocks)]
    return _joined(classifier.names, parts)


def annotate_images(
    classifier: AttributeClassifier,
    images: np.ndarray,
    accelerator: Accelerator,
    seed: int = 0,
    passes: int = PASSES,
    block_images: int = BLOCK_IMAGES,
) -> Annotations:
    """Annotations of images uint8 RGB `[N, 3, S, S]`, in blocks as in `annotate_faces`."""
    blocks = [torch.from_numpy(images[block]) for block in _blocks(len(images), block_images)]
    annotations = [_annotate_block(classifier, part, accelerator, i, seed, passes) for i, part in enumerate(blocks)]
    return _joined(classifier.names, annotations)


def annotate_set(
    classifier: AttributeClassifier,
    faces: FaceSet,
    out: str | Path,
    accelerator: Accelerator,
    seed: int = 0,
    passes: int = PASSES,
    block_images: int = BLOCK_IMAGES,
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
    seed, passes, block_images
        Of the stochastic passes behind the confidence, which draw anew for each block of so many images.

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
    recipe = {
        "classifier": classifier.fingerprint,
        "faces": faces.fingerprint,
        "seed": seed,
        "passes": passes,
        "block_images": block_images,
    }
    if accelerator.is_main_process:
        claim_folder(folder, RECIPE_FILE, recipe)
    accelerator.wait_for_everyone()
    schema = table_schema(classifier.names, recipe | {"reliability": classifier.description["reliability"]})
    blocks = _blocks(len(faces), block_images)
    missing = [i for i in range(len(blocks)) if not _part(folder, i).exists()]
    own = missing[accelerator.process_index :: accelerator.num_processes]
    accelerator.wait_for_everyone()
    with tqdm(total=len(own), unit="block", desc="annotate", disable=not accelerator.is_main_process) as bar:
        for i in own:
            images = faces.load(blocks[i], size_px=classifier.embedder.spec.size_px)
            annotations = _annotate_block(classifier, images, accelerator, i, seed, passes)
            with atomic_path(_part(folder, i)) as temporary:
                pq.write_table(_table(annotations, faces, blocks[i], schema), temporary)
            bar.update()
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        with atomic_path(out) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for i in range(len(blocks)):
                writer.write_table(pq.read_table(_part(folder, i), schema=schema))
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


def _table(annotations: Annotations, faces: FaceSet, positions: np.ndarray, schema: pa.Schema) -> pa.Table:
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


def _blocks(count: int, images: int) -> list[np.ndarray]:
    """Positions of each block of so many images, the last of what is left."""
    return np.split(np.arange(count), range(images, count, images))


def _part(folder: Path, block: int) -> Path:
    return folder / f"{block:07d}.parquet"
