"""What later notebooks open is what earlier ones left."""

import numpy as np
from stage_folder import StageFolder

from sface_lib.chapters import handover


def test_filtered_sets_come_back_by_the_name_of_the_model_that_learns_from_them(tmp_path):
    """A filter that keeps nothing is a set without images."""
    stage = StageFolder(tmp_path)
    for fmr, kept in ((0.5, []), (0.05, [3, 1, 4])):
        handover.write_filtered(stage, fmr, np.array(kept, np.int64))
    found = handover.filtered_sets(stage)
    assert {name: kept.tolist() for name, kept in found.items()} == {
        "CLS filtered 0.05": [3, 1, 4],
        "CLS filtered 0.5": [],
    }
