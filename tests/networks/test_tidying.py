from __future__ import annotations

import numpy as np

from lucyte.networks.tidying import tidy


def test_tidy_keeps_the_largest_part_and_fills_holes():
    labels = np.zeros((20, 30), np.int32)
    labels[2:12, 2:12] = 1
    labels[5:7, 5:7] = 0  # a hole
    labels[15:17, 2:4] = 1  # a splinter
    labels[3:5, 20:22] = 2  # too small
    labels[10:18, 15:25] = 3
    labels[13, 18] = 4  # an object within another is none of its holes
    areas = tidy(labels, 4, 4)
    assert areas.tolist() == [0, 100, 4, 79, 0]
    assert (labels[5:7, 5:7] == 1).all()
    assert not labels[15:17, 2:4].any()
    assert labels[13, 18] == 0 or labels[13, 18] == 3
