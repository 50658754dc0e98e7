"""The shipped classifier: rendered identities of its own, with their ground truth, and nothing else, taught it."""

from pathlib import Path

from sface_lib.attributes.names import ATTRIBUTES
from sface_lib.attributes.tables import read_annotations
from sface_lib.attributes.training import train_classifier
from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator, require_safetensors
from sface_lib.population.rendering.sets import LABELS_FILE, render_set
from sface_lib.population.shipped import SIZE_PX

SPLIT, IDENTITIES, IMAGES = "mac-train", 2500, 8
TRAINED_ON = f"{IDENTITIES:,} rendered identities of its own, {IMAGES} images each, and their ground truth"


def ship_classifier(path: str | Path, work: str | Path, workers: int = 1) -> Path:
    """Render the classifier's identities, teach it end to end on their images, and write it.

    Matrices are stored in half precision.

    Parameters
    ----------
    path
        Where to, a .safetensors file.
    work
        Folder of the rendered images and the checkpoints: a run that was stopped goes on.
    workers
        Rendering processes.

    Raises
    ------
    InputError
        No extra `population`, another recipe's images in `work`, or another suffix.
    """
    path = require_safetensors(path)
    folder = render_set(Path(work) / SPLIT, SPLIT, IDENTITIES, IMAGES, SIZE_PX, workers=workers)
    faces, table = open_faces(folder), read_annotations(folder / LABELS_FILE)
    positions, values = table.of(faces)
    arguments = (make_accelerator(), Path(work) / "attributes")
    made = train_classifier(
        faces.subset(positions), values, ATTRIBUTES, *arguments, size_px=SIZE_PX, trained_on=TRAINED_ON
    )
    return made.save(path, half=True)
