from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.explain.embedding import embed, principal_components, trustworthiness
from lucyte.schema.errors import UsageError


def clouds(per=40, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 8, (3, 6))
    values = np.concatenate([rng.normal(centre, 1, (per, 6)) for centre in centres])
    table = pd.DataFrame(values * 50 + 900, columns=[f"f{k}" for k in range(6)])
    return table.set_index(np.arange(1000, 1000 + 3 * per)), np.repeat(np.arange(3), per)


def purity(points, cloud):
    xy = points.to_numpy()
    near = ((xy[:, None] - xy[None]) ** 2).sum(axis=2).argsort(axis=1)[:, 1:6]
    return (cloud[near] == cloud[:, None]).mean()


def test_cells_alike_lie_together_and_the_map_comes_again():
    table, cloud = clouds()
    found = embed(table, list(table.columns), seed=3, perplexity=12)
    assert found.columns.tolist() == ["x", "y"]
    assert found.index.equals(table.index)
    assert purity(found, cloud) > 0.98
    assert found.attrs["perplexity"] == 12
    assert found.attrs["trustworthiness"] > 0.9
    again = embed(table, list(table.columns), seed=3, perplexity=12)
    assert np.array_equal(found.to_numpy(), again.to_numpy())


def test_few_cells_get_a_perplexity_they_can_bear():
    table, _ = clouds(per=5)
    found = embed(table, list(table.columns), seed=0, perplexity=30)
    assert found.attrs["perplexity"] == pytest.approx(14 / 3)
    assert np.isfinite(found.to_numpy()).all()


def test_cells_without_a_measurement_are_not_placed():
    table, _ = clouds(per=10)
    table.iloc[4] = np.nan
    found = principal_components(table, list(table.columns))
    assert np.isnan(found.to_numpy()[4]).all()
    assert np.isfinite(np.delete(found.to_numpy(), 4, axis=0)).all()


def test_principal_components_part_the_clouds():
    table, cloud = clouds()
    found = principal_components(table, list(table.columns))
    assert purity(found, cloud) > 0.9
    assert found["x"].var() >= found["y"].var()
    one = principal_components(table, ["f0"])
    assert (one["y"] == 0).all()


def test_trustworthiness_is_one_for_the_same_points_and_low_for_others():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 2))
    assert trustworthiness(points, points) == 1.0
    assert trustworthiness(points, rng.normal(size=(60, 2))) < 0.7


def test_too_few_cells_are_refused():
    table, _ = clouds(per=3)
    with pytest.raises(UsageError, match="at least 10 cells, got 9"):
        embed(table, list(table.columns), 0)
