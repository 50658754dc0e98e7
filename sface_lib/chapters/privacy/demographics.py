"""Gender and ancestry of the training identities: what a class may share with its person without showing them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sface_lib.attributes import EXCLUSIVE, SHIPPED_PATH, AttributeClassifier, annotate_faces, open_classifier
from sface_lib.chapters.study import Study
from sface_lib.data import FaceSet, first_of_class
from sface_lib.recognition import Embedder

IMAGES_CALLED = 5  # Of each identity, the first, are read by the classifier.


@dataclass(frozen=True, eq=False)
class Demographics:
    """Traits of the training identities.

    Attributes
    ----------
    traits
        A row for each identity, by its label, and a column for each trait; missing where it is not known.
    called
        Whether the attribute classifier called them, so that some are wrong.
    """

    traits: pd.DataFrame
    called: bool = False

    def groups(self, labels: np.ndarray) -> pd.Series:
        """The group of each of these identities, its traits together, in their order and numbered from 0 on."""
        rows = self.traits.reindex(labels).reset_index(drop=True)
        return rows.astype(object).fillna("").agg(", ".join, axis=1).where(rows.notna().all(axis=1))


def demographics(study: Study, embedder: Embedder) -> Demographics | None:
    """What is given, else what the attribute classifier calls; None where there is neither."""
    if study.traits is not None:
        return Demographics(study.traits)
    path = study.attribute_classifier(SHIPPED_PATH)
    return None if path is None else called(open_classifier(path), study.training, embedder)


def called(classifier: AttributeClassifier, faces: FaceSet, embedder: Embedder) -> Demographics | None:
    """Gender and ancestry by most of an identity's first images; None where the classifier can tell neither.

    Only attributes that it tells reliably count. Of several ancestries the likeliest is taken; an identity in whose
    images none is present for the most part is of "another".
    """
    reliable = [name for name, able in zip(classifier.names, classifier.reliable(), strict=True) if able]
    ancestries = [name for name in EXCLUSIVE["ancestry"] if name in reliable]
    if "Male" not in reliable and not ancestries:
        return None
    first = first_of_class(faces.require_labels(), IMAGES_CALLED)
    annotations, owner = annotate_faces(classifier, faces.subset(first), embedder, passes=1), faces.labels[first]
    share, mean = (
        pd.DataFrame(values, columns=list(annotations.names)).groupby(owner).mean()
        for values in (annotations.label > 0, annotations.probability)
    )
    traits = pd.DataFrame(index=mean.index)
    if "Male" in reliable:
        traits["gender"] = np.where(share["Male"] >= 0.5, "men", "women")
    if ancestries:
        known = share[ancestries].max(axis=1) >= 0.5
        traits["ancestry"] = mean[ancestries].where(share[ancestries] >= 0.5, -1).idxmax(axis=1).where(known, "another")
    return Demographics(traits, called=True)
