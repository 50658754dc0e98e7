"""What later notebooks open is what earlier ones left."""

import numpy as np
from stage_folder import StageFolder

from sface_lib.chapters import handover


def test_what_filters_keep_of_a_set_comes_back_by_their_rates(tmp_path):
    """A filter that keeps nothing is a set without images."""
    stage = StageFolder(tmp_path)
    for fmr, kept in ((0.5, []), (0.05, [3, 1, 4])):
        handover.write_filtered(stage, "mine", fmr, np.array(kept, np.int64))
    handover.write_filtered(stage, "mine-too", 0.2, np.array([7]))
    found = handover.filtered_sets(stage, "mine")
    assert {fmr: kept.tolist() for fmr, kept in found.items()} == {0.05: [3, 1, 4], 0.5: []}
