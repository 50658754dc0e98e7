"""The massive attribute classifier, annotation, and how two sets' attributes diverge."""

from sface_lib.attributes.annotate import annotate_faces, annotate_images, annotate_set
from sface_lib.attributes.asymmetry import asymmetry
from sface_lib.attributes.classifier import (
    RELIABLE,
    SHIPPED_PATH,
    Annotations,
    AttributeClassifier,
    open_classifier,
)
from sface_lib.attributes.divergence import (
    DivergenceTest,
    by_pseudo_count,
    compare_tallies,
    js_divergence,
    kl_divergence,
)
from sface_lib.attributes.drift import correlate, gap_by_attribute
from sface_lib.attributes.joint import JointDivergence, joint_divergence
from sface_lib.attributes.names import ATTRIBUTES, EXCLUSIVE, KINDS, kind_of
from sface_lib.attributes.support import support_table, transfer_table
from sface_lib.attributes.tables import AttributeTable, read_annotations
from sface_lib.attributes.tally import (
    Tally,
    adjusted_prevalence,
    phi_matrix,
    prevalence,
    tally_attributes,
    tally_variables,
)
from sface_lib.attributes.training import train_classifier

__all__ = [
    "ATTRIBUTES",
    "Annotations",
    "AttributeClassifier",
    "AttributeTable",
    "DivergenceTest",
    "EXCLUSIVE",
    "JointDivergence",
    "KINDS",
    "RELIABLE",
    "SHIPPED_PATH",
    "Tally",
    "adjusted_prevalence",
    "annotate_faces",
    "annotate_images",
    "annotate_set",
    "asymmetry",
    "by_pseudo_count",
    "compare_tallies",
    "correlate",
    "gap_by_attribute",
    "joint_divergence",
    "js_divergence",
    "kind_of",
    "kl_divergence",
    "open_classifier",
    "phi_matrix",
    "prevalence",
    "read_annotations",
    "support_table",
    "tally_attributes",
    "tally_variables",
    "train_classifier",
    "transfer_table",
]
