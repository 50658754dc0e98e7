"""The tables, figures, pictures and sentences of notebook 01."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sface_lib.chapters import plots, sheets
from sface_lib.chapters.data import compute, drawings
from sface_lib.chapters.data.compute import Evaluated, Selection
from sface_lib.chapters.data.results import DataResults
from sface_lib.chapters.words import attribute_in_words
from sface_lib.data import Manifest

SHOWN, SHOWN_PX = 8, 64  # Identities and images of each, and the side they are shown at.
NUISANCE = {
    "yaw_degrees": "yaw (degrees)",
    "pitch_degrees": "pitch (degrees)",
    "light_degrees": "key light, right (degrees)",
    "years": "age (years)",
    "distance_mm": "camera distance (mm)",
    "exposure": "exposure (factor)",
    "blur_px": "blur (px)",
    "jpeg_quality": "JPEG quality",
}


def set_as_given(manifest: Manifest) -> pd.DataFrame:
    """What the authentic set holds."""
    per_identity = manifest.images_per_identity
    rows = {
        "images": f"{manifest.n_images:,}",
        "identities": f"{manifest.n_identities:,}",
        "images of an identity, fewest": f"{per_identity['min']:,}",
        "images of an identity, median": f"{per_identity['median']:,g}",
        "images of an identity, most": f"{per_identity['max']:,}",
        "sizes (px)": ", ".join(f"{size}: {count:,}" for size, count in list(manifest.sizes.items())[:5]),
        "converted to RGB": ", ".join(f"{kind}: {count:,}" for kind, count in manifest.converted.items()) or "none",
        "fingerprint of contents": manifest.fingerprint[:16],
    }
    return pd.DataFrame(rows.items(), columns=["what", "value"]).astype(str)


def split(selection: Selection, evaluated: Evaluated) -> pd.DataFrame:
    """Identities, images and pairs of training and evaluation, and of what was kept apart before training."""
    tested = len(evaluated.identities) or "unknown"
    rows = [
        ["training", len(selection.faces.identities), len(selection.faces), ""],
        *(
            [f"{name}: kept apart", len(np.unique(apart.labels)), len(apart), ""]
            for name, apart in (("control", selection.control), ("held out", selection.held_out))
            if apart is not None
        ),
        ["evaluation", tested, len(evaluated.images), f"{len(evaluated):,} in {len(evaluated.folds)} folds"],
    ]
    return pd.DataFrame(rows, columns=["part", "identities", "images", "pairs"])


def images_per_identity(selection: Selection) -> tuple[Figure, pd.DataFrame] | None:
    """How many images the training identities have, and the numbers behind; None where all have as many."""
    counts = pd.Series(selection.images_per_identity)
    table = counts.value_counts().sort_index().rename_axis("images").reset_index(name="identities")
    if len(table) == 1:
        return None
    figure, axes = plots.new_figure(height=3.2)
    drawings.plot_counts(axes, table["images"], table["identities"], "images of an identity", "training identities")
    return figure, table


def training_faces(selection: Selection) -> np.ndarray:
    """The first images of the first training identities, a row each, uint8 `[H, W, 3]`."""
    labels = selection.faces.labels
    rows = [np.flatnonzero(labels == k)[:SHOWN] for k in range(min(SHOWN, len(selection.images_per_identity)))]
    images = [selection.faces.load(row, size_px=SHOWN_PX).numpy() for row in rows]
    return sheets.contact_sheet(images, [f"identity {k}" for k in range(len(rows))])


def example_pairs(evaluated: Evaluated, seed: int) -> np.ndarray:
    """Four pairs a row, genuine ones, then impostors, for each benchmark in turn, uint8 `[H, W, 3]`."""
    rows = compute.example_pairs(evaluated, seed, SHOWN // 2)
    images = [evaluated.faces.load(row, size_px=SHOWN_PX).numpy() for row in rows]
    kinds = [f"{name}, {kind}" for name in evaluated.pairs for kind in ("genuine", "impostor")]
    columns = [side for _ in range(SHOWN // 2) for side in ("left", "right")]
    return sheets.contact_sheet(images, kinds, columns)


def nuisance(truth: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Histograms of what was drawn for every image, and their summary."""
    drawn = compute.with_light(truth)
    figure, axes = plots.new_figure(columns=4, rows=2, width=2.7, height=2.2)
    for ax, (column, label) in zip(axes.flat, NUISANCE.items(), strict=True):
        drawings.plot_histogram(ax, drawn[column], label, "images")
    return figure, drawn[list(NUISANCE)].describe().rename_axis("").reset_index()


def attributes(truth: pd.DataFrame) -> tuple[tuple[Figure, pd.DataFrame], str]:
    """Shares of the attributes that the construction decides with the numbers behind, and the names of the others."""
    shares = compute.attribute_shares(truth)
    undecided = shares.index[shares["undefined"] == 1]
    figure, axes = plots.new_figure(width=7.2, height=8.4)
    drawings.plot_prevalence(axes, shares.drop(undecided))
    return (figure, shares.rename_axis("attribute").reset_index()), ", ".join(map(attribute_in_words, undecided))


def what_was_split(results: DataResults, pairs_left_out: int) -> str:
    """How many images train and how many pairs test, and what was left out."""
    nobody = "**rendered faces of nobody**, which play the authentic role here"
    kind = nobody if results.rendered else "the authentic set given"
    tested = f"{results.evaluation_identities:,} other" if results.evaluation_identities else "unknown"
    benchmarks = f", in {len(results.benchmarks)} benchmarks" if len(results.benchmarks) > 1 else ""
    left_out = f", with {pairs_left_out:,} pairs" if pairs_left_out else ""
    said = (
        f"The training images are {results.training_images:,}, of {results.training_identities:,} identities of "
        f"{kind}. Recognition is tested on {results.evaluation_pairs:,} pairs of {tested} identities{benchmarks}. "
        f"{results.excluded_identities:,} identities of the set occur in the evaluated pairs and are left out of "
        f"training; {results.undecodable_images:,} images could not be decoded and were left out{left_out}."
    )
    if results.evaluation_identities:
        return said
    return f"{said} Persons of the pairs are unknown: only byte-identical images could be excluded from training."
