from __future__ import annotations

import builtins
import sys
import types

import numpy as np
import pandas as pd
import pytest

from lucyte.explain.embedding import MapSettings, make_map, read_map, sweep
from lucyte.schema.errors import InputError, UsageError
from reference import neighbours as slow


def clouds(per=30, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(0, 8, (3, 6)) + shift
    values = np.concatenate([rng.normal(centre, 1, (per, 6)) for centre in centres])
    return pd.DataFrame(values, columns=[f"f{k}" for k in range(6)]), np.repeat(np.arange(3), per)


@pytest.mark.parametrize("method", ["t-SNE", "PCA"])
def test_new_cells_lie_among_their_like_and_old_ones_stay(method, tmp_path):
    table, cloud = clouds()
    made, kept = make_map(table, list(table), MapSettings(method, 10, 3), "one model")
    kept.write(tmp_path / "map.safetensors")
    again = read_map(tmp_path / "map.safetensors")
    assert np.array_equal(again.places, made.to_numpy())
    new, own = clouds(per=8, seed=1)
    placed = again.place(new, "one model")
    assert np.array_equal(placed.to_numpy(), kept.place(new).to_numpy())
    xy, old = placed[["x", "y"]].to_numpy(), made.to_numpy()
    near = ((xy[:, None] - old[None]) ** 2).sum(axis=2).argsort(axis=1)[:, :5]
    assert (cloud[near] == own[:, None]).mean() > 0.98
    assert (placed["apart"] < 2).all()
    assert placed.attrs["method"] == method


def test_a_cell_is_placed_alike_alone_and_in_company():
    table, _ = clouds()
    _, kept = make_map(table, list(table), MapSettings("t-SNE", 10, 3))
    new, _ = clouds(per=4, seed=2)
    together = kept.place(new).to_numpy()
    alone = np.concatenate([kept.place(new.iloc[[k]]).to_numpy() for k in range(len(new))])
    spread = np.ptp(kept.places, axis=0).max()
    assert np.abs(together - alone)[:, :2].max() < 0.02 * spread


def test_what_is_far_from_every_old_cell_says_so_and_what_is_empty_is_not_placed():
    table, _ = clouds()
    _, kept = make_map(table, list(table), MapSettings("t-SNE", 10))
    new, _ = clouds(per=2, seed=2)
    new.iloc[0] = 60.0
    new.iloc[1] = np.nan
    found = kept.place(new)
    assert found["apart"].iloc[0] > 1.5
    assert found.iloc[1].isna().all()
    assert (found["apart"].iloc[2:] < 2).all()


def test_maps_that_do_not_fit_are_refused(tmp_path):
    table, _ = clouds()
    _, kept = make_map(table, list(table), MapSettings("PCA"), "one model")
    with pytest.raises(UsageError, match="made of another model's features"):
        kept.place(table, "another")
    with pytest.raises(UsageError, match="unknown feature column 'f5'"):
        kept.place(table.drop(columns="f5"))
    path = tmp_path / "map.safetensors"
    with pytest.raises(InputError, match="there is no such map"):
        read_map(path)
    path.write_bytes(b"0123456789")
    with pytest.raises(InputError, match="cannot be read as a map of cells"):
        read_map(path)
    from safetensors.numpy import save

    path.write_bytes(save({"a": np.zeros(2)}))
    with pytest.raises(InputError, match="is not a map of cells"):
        read_map(path)
    kept.write(path)
    whole = read_map(path)
    type(kept)(whole.components, whole.points, whole.places[1:], "PCA", None, 0).write(path)
    with pytest.raises(InputError, match="parts do not fit each other"):
        read_map(path)


def test_umap_is_an_extra_that_says_how_to_get_it(monkeypatch):
    table, _ = clouds()
    true_import = builtins.__import__

    def absent(name, *rest):
        if name == "umap":
            raise ImportError(name)
        return true_import(name, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", absent)
        with pytest.raises(UsageError, match="pip install umap-learn"):
            make_map(table, list(table), MapSettings("UMAP"))
    asked = {}

    class Fake:
        def __init__(self, **settings):
            asked.update(settings)

        def fit_transform(self, points):
            return points[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Fake))
    made, kept = make_map(table, list(table), MapSettings("UMAP", 12, seed=4))
    assert asked["n_neighbors"] == 12
    assert asked["random_state"] == 4
    assert made.attrs["method"] == "UMAP"
    with pytest.raises(UsageError, match="cannot be put on a UMAP"):
        kept.place(table)


def test_settings_that_are_not_there_are_refused():
    with pytest.raises(UsageError, match="unknown map method 'tsne'"):
        MapSettings("tsne")
    with pytest.raises(UsageError, match="unknown start of a map 'pcs', did you mean 'pca'"):
        MapSettings(start="pcs")
    with pytest.raises(UsageError, match="perplexity must be above 1, got 1"):
        MapSettings(perplexity=1)


def test_quality_is_told_and_a_sweep_starts_at_random():
    table, _ = clouds(per=12)
    made, kept = make_map(table, list(table), MapSettings("PCA"))
    high, low = kept.points.tolist(), kept.places.tolist()
    assert made.attrs["trustworthiness"] == pytest.approx(slow.trustworthiness(high, low, 10))
    assert made.attrs["continuity"] == pytest.approx(slow.continuity(high, low, 10))
    runs = sweep(kept.points, (5, 50, 60), (0, 1))
    assert sorted(runs) == [(5.0, 0), (5.0, 1), (35 / 3, 0), (35 / 3, 1)]
    assert not np.allclose(runs[5.0, 0], runs[5.0, 1])
    again = sweep(kept.points, (5,), (1,))
    assert np.array_equal(again[5.0, 1], runs[5.0, 1])
