"""Touching ellipsoids in 3-D by one level and depth."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.plan import ObjectSettings
from lucyte.segment.solid import solid_objects
from lucyte.stats.instances import count_instances, scores
from worlds.ellipsoids import crowd, ellipsoids, photographed

NUCLEUS = ObjectSettings(kind="nucleus", stack="volume")


def f1(truth, found, level="0.5"):
    width = truth.shape[-1]
    counted = count_instances(truth.reshape(-1, width), found.reshape(-1, width))
    return scores(counted)[f"F1@{level}"]


@pytest.mark.parametrize(("radius", "side"), [(12.0, 160), (30.0, 260)])
def test_a_crowd_of_touching_ellipsoids(radius, side):
    truth = crowd(
        5,
        4.0,
        shape=(int(5 * radius / 4), side, side),
        number=20 if side > 160 else 40,
        radius=radius,
    )
    got = solid_objects([photographed(truth, 5, 4.0)], NUCLEUS, 2 * radius, 4.0)
    assert f1(truth, got) > 0.95
    assert f1(truth, got, "0.75") > 0.85


def test_two_that_touch_along_z_come_apart_only_if_asked():
    truth = ellipsoids([(5, 40, 40), (14, 41, 40)], [(15, 15, 15)] * 2, (20, 80, 80))
    image = photographed(truth)
    assert f1(truth, solid_objects([image], NUCLEUS, 30, 3.0), "0.75") == 1.0
    whole = NUCLEUS.model_copy(update={"split": False})
    assert solid_objects([image], whole, 30, 3.0).max() == 1


def test_a_stack_without_objects_has_none():
    for flat in (np.zeros((6, 40, 50)), np.full((6, 40, 50), np.nan), np.full((6, 40, 50), 9.0)):
        assert solid_objects([flat], NUCLEUS, 20, 3.0).max() == 0


def test_an_object_smaller_than_asked_is_dropped():
    truth = ellipsoids([(8, 40, 40)], [(15, 15, 15)], (17, 80, 80))
    small = NUCLEUS.model_copy(update={"min_area_px": 2000})
    assert solid_objects([photographed(truth)], NUCLEUS, 30, 3.0).max() == 1
    assert solid_objects([photographed(truth)], small, 30, 3.0).max() == 0
