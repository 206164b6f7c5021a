"""What a hypothesis may say of the model or its explanation: one row per quantity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lucyte.classify.sources import samples_of_crops
from lucyte.io.plates import open_plate
from lucyte.io.write_table import read_parquet
from lucyte.io.write_zarr import read_labels_frame
from lucyte.measure.crops import cut_crops
from lucyte.networks.input_match import match_input
from lucyte.pipeline.hypothesis_view import RUN, RunView
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import MASK_CHANNEL

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """A row of the table.

    Attributes
    ----------
    name : str
    of : str
        What ``quantity.of`` names: class, channel, kind, axis; empty for nothing.
    maps : bool
        Known only of cells that have a relevance map.
    words : str
        For a person.
    work : callable
        ``(RunView) -> Series`` by object_id.
    """

    name: str
    of: str
    maps: bool
    words: str
    work: Callable[[RunView], pd.Series]


def quantity_of(view: RunView) -> pd.Series:
    """The quantity that the record names, by object_id.

    Raises
    ------
    UsageError
        An unknown quantity, class, channel, kind or axis, or one that this run or model has not.
    """
    name = view.record.quantity.name
    rows = {each.name: each for each in QUANTITIES}
    if name not in rows:
        raise unknown("quantity", name, rows, "In quantity.name.")
    if view.record.model.use != RUN and name not in ANSWERS:
        raise UsageError(
            f"{name} is kept of the run's own model alone; of a model folder ask for "
            f"{', '.join(ANSWERS)}."
        )
    if not rows[name].of and view.record.quantity.of:
        raise UsageError(f"{name} is of nothing further; leave out quantity.of.")
    return rows[name].work(view)


def _one_of(view: RunView, what: str, allowed: Sequence[str]) -> str:
    got = view.record.quantity.of
    if got not in allowed:
        raise unknown(what, got, allowed, "In quantity.of.")
    return got


def _chances(view: RunView) -> pd.DataFrame:
    """One column per class, by object_id: out of fold for the run's own states."""
    if view.record.model.use == RUN:
        table = view.table.set_index("object_id")
        named = [str(each) for each in table.columns if str(each).startswith("p_")]
        if "state" not in table or not named:
            raise UsageError(f"{view.run}: holds no states to ask about.")
        return table[named].rename(columns=lambda name: name.removeprefix("p_"))
    model, crops = view.predictor, view.crops()
    if MASK_CHANNEL in model.channels and crops.crop_px != model.input_px:
        raise UsageError(
            f"{view.record.model.use}: takes crops of {model.input_px} px with outlines, the run "
            f"kept {crops.crop_px} px; set evidence.crop_px in its plan."
        )
    if MASK_CHANNEL in model.channels:
        logits = model.logits(crops.for_channels(model.channels))
    else:
        logits = model.logits(match_input(model, samples_of_crops(crops))[0])
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return pd.DataFrame(shares, index=list(crops.object_ids), columns=list(model.classes))


def _probability(view: RunView) -> pd.Series:
    chances = _chances(view)
    return chances[_one_of(view, "class", list(chances.columns))].astype(float)


def _margin(view: RunView) -> pd.Series:
    chances = _chances(view)
    name = _one_of(view, "class", list(chances.columns))
    tiny = np.finfo(np.float64).tiny
    others = chances.drop(columns=name).max(axis=1)
    return pd.Series(np.log(chances[name].clip(lower=tiny) / others.clip(lower=tiny)))


def _state(view: RunView) -> pd.Series:
    chances = _chances(view)
    name = _one_of(view, "class", list(chances.columns))
    known = chances.notna().all(axis=1)
    called = chances[known].idxmax(axis=1) == name
    return called.astype(float).reindex(chances.index)


def _embedding(view: RunView) -> pd.Series:
    axis = _one_of(view, "axis", ("x", "y"))
    path = view.run / "embeddings.parquet"
    if not path.is_file():
        raise UsageError(f"{view.run}: made no map of cells; set explain.enabled in its plan.")
    points = read_parquet(path)
    return points.set_index("object_id")[axis].astype(float)


def _positive(view: RunView) -> Floats:
    return np.asarray(np.clip(view.maps.values, 0.0, None))


def _share(part: Floats, whole: Floats, names: Sequence[str]) -> pd.Series:
    out = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return pd.Series(out, index=list(names))


def _in_cell(view: RunView) -> pd.Series:
    names, light = view.maps.object_ids, _positive(view).sum(axis=1)
    own = view.crops(names).masks
    return _share((light * own).sum(axis=(1, 2)), light.sum(axis=(1, 2)), names)


def _mass_in_cell(view: RunView) -> pd.Series:
    names, light = view.maps.object_ids, _positive(view).sum(axis=1)
    own = view.crops(names).masks
    return pd.Series((light * own).sum(axis=(1, 2)), index=list(names))


def _in_channel(view: RunView) -> pd.Series:
    at = view.maps.channels.index(_one_of(view, "channel", view.maps.channels))
    mass = _positive(view).sum(axis=(2, 3))
    return _share(mass[:, at], mass.sum(axis=1), view.maps.object_ids)


def _in_structure(view: RunView) -> pd.Series:
    kinds = [each.kind for each in view.plan.segment.objects]
    kind = _one_of(view, "kind", kinds)
    names, light = view.maps.object_ids, _positive(view).sum(axis=1)
    inside = _structure(view, kind, names, light.shape[-1])
    return _share((light * inside).sum(axis=(1, 2)), light.sum(axis=(1, 2)), names)


def _structure(view: RunView, kind: str, names: Sequence[str], px: int) -> npt.NDArray[np.bool_]:
    """``N Y X``: where objects of a kind lie in the crops of these cells."""
    rows = view.table[view.table["object_id"].isin(names)]
    plate = open_plate(view.plan.input, view.run.absolute())
    fields = {each.field_id: each for each in plate.fields}
    found: dict[str, npt.NDArray[np.bool_]] = {}
    for (field, time), here in rows.groupby(["field_id", "time_index"], sort=True):
        at = fields[str(field)]
        own, other = (
            read_labels_frame(view.run / "plate.zarr", at, each, int(str(time)))
            for each in (str(here["kind"].iloc[0]), kind)
        )
        image = xr.DataArray(other[None], dims=("C", "Y", "X"), coords={"C": [kind]})
        cut = cut_crops(image, own, here, px)
        found |= {name: cut.crops[k, 0] > 0 for k, name in enumerate(cut.object_ids)}
    return np.stack([found[name] for name in names])


def _where_it_looks(view: RunView) -> pd.Series:
    """Nan-free stand-in: the comparison itself is the measurement (`looked_at`)."""
    return pd.Series(0.0, index=list(view.maps.object_ids))


def looked_at(view: RunView) -> pd.Series:
    r"""How much more of a channel lies where the model looks, by object_id.

    .. math:: e = \frac{1}{s} \left[\bar I(T) - \frac13 \sum_{r=1}^{3} \bar I(T_r)\right]

    :math:`T`: the share ``top`` of the cell's px with the most relevance; :math:`T_r`: the same of
    the map turned by r right angles, which looks as much towards the middle as the map itself;
    :math:`I`, :math:`s`: the channel's light and its standard deviation in the cell.
    """
    names, light = view.maps.object_ids, _positive(view).sum(axis=1)
    crops = view.crops(names)
    channel, top = view.record.measurement.channel, view.record.quantity.top
    if channel not in crops.channels:
        raise unknown("channel", channel, crops.channels, "In measurement.channel.")
    pixels = crops.crops[:, crops.channels.index(channel)].astype(np.float64)
    out = [_enrichment(*each, top) for each in zip(light, pixels, crops.masks, strict=True)]
    return pd.Series(out, index=list(names))


def _enrichment(
    relevance: Floats, pixels: Floats, mask: npt.NDArray[np.bool_], top: float
) -> float:
    inside = pixels[mask]
    spread = float(inside.std()) if inside.size else 0.0
    if not spread > 0 or not relevance[mask].max() > 0:
        return float("nan")
    count = max(1, round(top * inside.size))

    def looked(turned: Floats) -> float:
        order = np.argsort(-turned[mask], kind="stable")[:count]
        return float(inside[order].mean())

    control = np.mean([looked(np.rot90(relevance, turns)) for turns in (1, 2, 3)])
    return float((looked(relevance) - control) / spread)


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("probability", "class", False, "probability of a state, out of fold", _probability),
    Quantity("margin", "class", False, "logit margin of a state over the best other", _margin),
    Quantity("state", "class", False, "1 where the cell is called so, else 0", _state),
    Quantity("embedding", "axis", False, "coordinate on the map of cells", _embedding),
    Quantity("relevance_in_cell", "", True, "share of relevance inside the outline", _in_cell),
    Quantity("relevance_mass", "", True, "relevance inside the outline, nats", _mass_in_cell),
    Quantity("relevance_in_channel", "channel", True, "share in one channel", _in_channel),
    Quantity(
        "relevance_in_structure", "kind", True, "share inside objects of a kind", _in_structure
    ),
    Quantity("where_it_looks", "", True, "the px with the most relevance", _where_it_looks),
)
ANSWERS = ("probability", "margin", "state")
MAPPED = tuple(each.name for each in QUANTITIES if each.maps)
