"""Organelles measured: one row per organelle, and one row per parent that sums them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.measure.organelle_names import PAIRS, PLACE, SHAPE, STATISTICS, summed
from lucyte.measure.organelle_shape import check_axes, organelle_shapes
from lucyte.measure.organelle_topology import centres, distance_map, rim, topology_features
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]


def measure_organelles(
    organelles: Mapping[str, npt.NDArray[Any]],
    parents: npt.NDArray[Any] | None = None,
    nuclei: npt.NDArray[Any] | None = None,
    z_step_px: float | None = None,
    pixel_size_um: float | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure organelles, each within the parent that holds most of it.

    Parameters
    ----------
    organelles : mapping of kind to integer array Y X or Z Y X
        Label images of one size.
    parents : integer array, optional
        Cells, in the same axes or seen from above (Y X) for a stack. Without them the whole image
        is one parent, 1, and nothing is said of edges.
    nuclei : array, optional
        Nuclei (above 0), in the axes of the organelles or seen from above.
    z_step_px : float or None
        Distance of planes in px of Y and X.
    pixel_size_um : float or None
        Columns in um stand beside those in px only where it is known.

    Returns
    -------
    DataFrame
        One row per organelle: ``kind``, ``label``, ``parent_label``, shape and place. Organelles
        outside every parent are left out.
    DataFrame
        One row per parent, rising, parents without organelles included: ``label`` and the columns
        of :mod:`lucyte.measure.organelle_names`, e.g. ``organelle_elongation_median_mitochondria``;
        counts and shares are 0 and the rest nan where a kind has no organelle.

    Raises
    ------
    UsageError
        No kind, sizes that differ, or a stack without a distance of planes.
    """
    labels = {kind: check_axes(array, z_step_px, kind) for kind, array in organelles.items()}
    if not labels:
        raise UsageError("got no organelles; give one label image per kind.")
    shape = next(iter(labels.values())).shape
    for kind, each in labels.items():
        if each.shape != shape:
            raise UsageError(f"{kind}: labels are {each.shape}, others {shape}; use one size.")
    steps = (z_step_px or 1.0, 1.0, 1.0)[-len(shape) :]
    cells = None if parents is None else _in_axes(parents, shape, "parents")
    owners = np.ones(shape, np.int32) if cells is None else cells
    around = _around(owners, parents, nuclei, shape, steps)
    inside = {kind: np.where(owners > 0, each, 0) for kind, each in labels.items()}
    tables = {kind: _one_kind(kind, inside, owners, steps, around, z_step_px) for kind in inside}
    whole = _summed_up(tables, inside, owners, steps, around)
    single = pd.concat(list(tables.values()), ignore_index=True)
    return add_um(single, pixel_size_um, len(shape)), add_um(whole, pixel_size_um, len(shape))


def add_um(table: pd.DataFrame, pixel_size_um: float | None, axes: int) -> pd.DataFrame:
    """The table with a column in um beside every one in px; as it is where the size is unknown."""
    if not pixel_size_um:
        return table
    more = {}
    for name in table.columns:
        if "_per_px" in name or "_px" not in name:
            continue
        power = axes if "size_" in name else 1
        unit = "_um" if power == 1 else f"_um{power}"
        more[name.replace("_px", unit, 1)] = table[name] * pixel_size_um**power
    return pd.concat([table, pd.DataFrame(more, index=table.index)], axis=1)


def _in_axes(array: npt.NDArray[Any], shape: tuple[int, ...], what: str) -> Labels:
    flat = np.asarray(array)
    if flat.shape not in (shape, shape[-2:]):
        raise UsageError(
            f"{what}: labels are {flat.shape}, the organelles {shape}; give that size or "
            f"{shape[-2:]}, seen from above."
        )
    out: Labels = np.ascontiguousarray(np.broadcast_to(flat, shape), dtype=np.int32)
    return out


def _around(
    owners: Labels,
    parents: npt.NDArray[Any] | None,
    nuclei: npt.NDArray[Any] | None,
    shape: tuple[int, ...],
    steps: Sequence[float],
) -> dict[str, Any]:
    """Maps of distance to nucleus and edge and of the place between; flat where all is flat."""
    out: dict[str, Any] = {"owners": owners, "nucleus": None, "edge": None, "place": None}
    flat = owners[0] if owners.ndim == 3 and (parents is None or parents.ndim == 2) else owners
    if nuclei is not None:
        full = _in_axes(nuclei, shape, "nuclei") > 0
        if flat.ndim == full.ndim or np.asarray(nuclei).ndim == 3:
            far = distance_map(full, owners, steps)
        else:
            far = distance_map(full[0], flat, steps[-2:])
        out["nucleus"] = np.broadcast_to(far, shape)
    if parents is not None:
        # The border of the image is no edge of a cell.
        edge = rim(flat) if flat.ndim == 2 else np.stack([rim(plane) for plane in flat])
        out["edge"] = np.broadcast_to(distance_map(edge, flat, steps[-flat.ndim :]), shape)
    if out["nucleus"] is not None and out["edge"] is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            out["place"] = out["nucleus"] / (out["nucleus"] + out["edge"])
    return out


def _one_kind(
    kind: str,
    labels: Mapping[str, Labels],
    owners: Labels,
    steps: Sequence[float],
    around: Mapping[str, Any],
    z_step_px: float | None,
) -> pd.DataFrame:
    mine = labels[kind]
    shapes = organelle_shapes(mine, z_step_px)
    names = shapes["label"].to_numpy(np.int64)
    holder = _holders(mine, names, owners)
    places = topology_features(labels, kind, holder, steps, around)
    head = pd.DataFrame({"kind": kind, "label": names, "parent_label": holder})
    return pd.concat([head, shapes.drop(columns="label"), pd.DataFrame(places)], axis=1)


def _holders(mine: Labels, names: npt.NDArray[np.int64], owners: Labels) -> npt.NDArray[np.int64]:
    """The parent that holds most voxels of each label; of two equal ones the lower number."""
    inside = mine > 0
    top = int(owners.max(initial=0)) + 1
    code = np.searchsorted(names, mine[inside]).astype(np.int64) * top + owners[inside]
    pairs, count = np.unique(code, return_counts=True)
    order = np.lexsort((pairs % top, -count, pairs // top))
    first = np.unique(pairs[order] // top, return_index=True)[1]
    holders: npt.NDArray[np.int64] = (pairs[order] % top)[first]
    return holders


def _summed_up(
    tables: Mapping[str, pd.DataFrame],
    labels: Mapping[str, Labels],
    owners: Labels,
    steps: Sequence[float],
    around: Mapping[str, Any],
) -> pd.DataFrame:
    names = np.unique(owners[owners > 0]).astype(np.int64)
    columns: dict[str, Any] = {"label": names}
    voxel = float(np.prod(steps))
    body = np.bincount(owners.ravel())[names] * voxel
    middle = centres(owners, names, steps)
    radius = (body / np.pi) ** 0.5 if owners.ndim == 2 else (body * 0.75 / np.pi) ** (1 / 3)
    for kind, table in tables.items():
        by_parent = table.groupby("parent_label")
        for feature in (*SHAPE, *PLACE):
            if feature in table:
                for statistic, values in _statistics(table, feature, names).items():
                    columns[f"{summed(feature, statistic)}_{kind}"] = values
        total = {
            name: by_parent[name].sum().reindex(names).fillna(0.0).to_numpy(np.float64)
            for name in ("size_px", "skeleton_length_px", "junctions_count")
        }
        columns[f"organelle_count_{kind}"] = by_parent.size().reindex(names).fillna(0.0).to_numpy()
        columns[f"organelle_size_total_px_{kind}"] = total["size_px"]
        columns[f"organelle_fraction_{kind}"] = total["size_px"] / body
        with np.errstate(divide="ignore", invalid="ignore"):
            columns[f"organelle_branching_per_px_{kind}"] = (
                total["junctions_count"] / total["skeleton_length_px"]
            )
        held = np.where(labels[kind] > 0, owners, 0)
        light = np.bincount(held.ravel(), minlength=int(names[-1]) + 1 if len(names) else 1)[names]
        offset = np.linalg.norm(centres(held, names, steps) - middle, axis=1) / radius
        columns[f"organelle_polarity_{kind}"] = np.where(light > 0, offset, np.nan)
        if around["place"] is not None:
            inner, outer = _thirds(held, names, around["place"])
            columns[f"organelle_inner_share_{kind}"] = inner
            columns[f"organelle_outer_share_{kind}"] = outer
        for other in tables:
            if other != kind:
                columns |= _pair(by_parent, kind, other, names)
    return pd.DataFrame(columns)


def _statistics(
    table: pd.DataFrame, feature: str, names: npt.NDArray[np.int64]
) -> dict[str, Floats]:
    values, parent = table[feature].to_numpy(np.float64), table["parent_label"].to_numpy()
    out = {name: np.full(len(names), np.nan) for name in STATISTICS}
    known = np.isfinite(values)
    for k, name in enumerate(names):
        mine = values[known & (parent == name)]
        if len(mine):
            low, half, high = np.quantile(mine, (0.1, 0.5, 0.9))
            out["median"][k], out["q10"][k], out["q90"][k] = half, low, high
            out["mad"][k] = np.median(np.abs(mine - half))
    return out


def _thirds(held: Labels, names: npt.NDArray[np.int64], place: Floats) -> tuple[Floats, Floats]:
    """Share of an organelle's voxels in the inner and outer third of the way out."""
    inside = held > 0
    part, code = place[inside], np.searchsorted(names, held[inside])
    known = np.isfinite(part)
    count = np.bincount(code[known], minlength=len(names)).astype(np.float64)
    shares = []
    for where in (part < 1 / 3, part > 2 / 3):
        some = np.bincount(code[known & where], minlength=len(names))
        shares.append(np.where(count > 0, some / np.maximum(count, 1), np.nan))
    return shares[0], shares[1]


def _pair(by_parent: Any, kind: str, other: str, names: npt.NDArray[np.int64]) -> dict[str, Any]:
    columns = dict(zip(PAIRS, ("other_distance_px", "touching", "overlap"), strict=True))
    out = {}
    for name, source in columns.items():
        grouped = by_parent[f"{source}_{other}"]
        values = grouped.median() if "median" in name else grouped.mean()
        out[f"{name}_{kind}_to_{other}"] = values.reindex(names).to_numpy(np.float64)
    return out
