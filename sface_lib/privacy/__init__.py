"""Scores between two sets to evidence on the identity link."""

from sface_lib.privacy.chance import LabelTable, ShuffleTest, Tested, auc_table, hit_table, shuffle_test
from sface_lib.privacy.link import LabelFreeLink, best_label, label_free_link
from sface_lib.privacy.membership import membership, membership_of_images
from sface_lib.privacy.remedy import Filtered, filter_synthetic
from sface_lib.privacy.verdict import Claim, Verdict, holm, shuffles_for, verdicts

__all__ = [
    "Claim",
    "Filtered",
    "LabelFreeLink",
    "LabelTable",
    "ShuffleTest",
    "Tested",
    "Verdict",
    "auc_table",
    "best_label",
    "filter_synthetic",
    "hit_table",
    "holm",
    "label_free_link",
    "membership",
    "membership_of_images",
    "shuffle_test",
    "shuffles_for",
    "verdicts",
]
