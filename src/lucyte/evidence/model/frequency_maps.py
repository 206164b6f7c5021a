"""Dominant frequency maps: without which frequencies a model is wrong, and which alone suffice."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.retrain import HeldOut, compare
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import Predictor
from lucyte.stats.spectrum import (
    Ints,
    Mask,
    band,
    compare_amplitudes,
    frequency_blocks,
    half_spectrum,
    keep_of,
    matched_blocks,
)

Floats = npt.NDArray[np.float64]
BATCH = 128
QUERIES = 10_000
"""Pictures that the map, and its test, may each ask the model about; fewer crops are looked at
where there are more blocks or classes."""
CUTS = (0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
"""Cycles per px at which the low- and the high-pass sweep cut."""


@dataclass(frozen=True)
class Asked:
    """A model and the cells it is asked about.

    Attributes
    ----------
    predictor : Predictor
    cells : CropSet
    """

    predictor: Predictor
    cells: CropSet

    def __post_init__(self) -> None:
        strange = sorted(set(self.cells.classes) - set(self.predictor.classes))
        if strange:
            raise UsageError(
                f"the model knows the classes {list(self.predictor.classes)}, the cells are "
                f"{strange}; give the cells' states under the model's names."
            )

    @property
    def own(self) -> npt.NDArray[np.int64]:
        """Position of each cell's class among the model's."""
        at = {name: k for k, name in enumerate(self.predictor.classes)}
        return np.array([at[name] for name in self.cells.labels], dtype=np.int64)

    @property
    def light(self) -> npt.NDArray[np.float32]:
        """Pictures ``N C Y X``, raw units."""
        return self.cells.crops.astype(np.float32)

    @property
    def level(self) -> Floats:
        """Mean of each channel over all crops, the same for every class, ``1 C``."""
        found: Floats = self.cells.crops.astype(np.float64).mean(axis=(0, 2, 3))[None]
        return found

    def take(self, index: npt.ArrayLike) -> Asked:
        """The cells at these positions."""
        return replace(self, cells=self.cells.take(index))

    def logits(self, pictures: npt.NDArray[Any]) -> Floats:
        """What the model says of the cells when they look so, ``N x classes of the model``."""
        parts = []
        for start in range(0, len(pictures), BATCH):
            at = np.arange(start, min(start + BATCH, len(pictures)))
            some = replace(self.cells.take(at), crops=pictures[at].astype(np.float32))
            parts.append(self.predictor.logits(some.for_channels(self.predictor.channels)))
        return np.concatenate(parts).astype(np.float64)

    def told(self, logits: Floats) -> HeldOut:
        """AUROC between units; the model is the same for all of them."""
        classes = self.cells.classes
        order = [list(self.predictor.classes).index(name) for name in classes]
        together = np.zeros(len(logits), dtype=np.int64)
        return compare(logits[:, order], together, self.cells.labels, self.cells.groups)


@dataclass(frozen=True)
class FrequencyMap:
    """How much worse a model is without each block of frequencies.

    Attributes
    ----------
    classes : tuple of K str
    rise : float array K B
        Rise of the mean cross-entropy over crops of the class, nats.
    blocks : int array Y X
        The block of each frequency, in the order of `numpy.fft.fft2`.
    """

    classes: tuple[str, ...]
    rise: Floats
    blocks: Ints

    def dominant(self, label: str, share: float) -> npt.NDArray[np.int64]:
        """Blocks of largest rise that together hold at least this share of the frequencies."""
        order = np.argsort(-self.rise[self.classes.index(label)], kind="stable")
        held = np.cumsum(np.bincount(self.blocks.ravel())[order]) / self.blocks.size
        found: npt.NDArray[np.int64] = order[: int(np.searchsorted(held, share)) + 1]
        return found

    def picture(self, label: str) -> Floats:
        """The map of a class, frequency 0 in the middle, ``Y X``."""
        found: Floats = np.fft.fftshift(self.rise[self.classes.index(label)][self.blocks])
        return found


def default_patch(px: int) -> int:
    """Frequencies along a side of a block: 4, and 8 from 128 px."""
    return 4 if px < 128 else 8


def frequency_map(asked: Asked, patch: int | None = None) -> FrequencyMap:
    """Take one block of frequencies after the other from all channels and see the loss rise.

    Parameters
    ----------
    asked : Asked
    patch : int, optional
        Frequencies along a side of a block.

    References
    ----------
    Wang, Veldhuis, Brune and Strisciuglio 2023, doi 10.48550/arXiv.2307.09829.
    """
    px = asked.cells.crop_px
    blocks = frequency_blocks(px, px, patch or default_patch(px))
    own, spectrum = asked.own, half_spectrum(asked.light)
    before = _loss(asked.logits(asked.light), own)
    count = int(blocks.max()) + 1
    change = np.empty((count, len(own)))
    for number in range(count):
        change[number] = _loss(asked.logits(keep_of(spectrum, blocks != number)), own) - before
    truth = np.asarray(asked.cells.labels, dtype=str)
    rise = np.stack([change[:, truth == name].mean(axis=1) for name in asked.cells.classes])
    return FrequencyMap(asked.cells.classes, rise, blocks)


def affordable(asked: Asked, times: int, least: int = 8) -> int:
    """Crops that the model can be asked about so many times; never fewer than ``least``."""
    return min(len(asked.cells), max(least, QUERIES // max(times, 1)))


@dataclass(frozen=True)
class Alone:
    """What the model tells by the dominant frequencies of a class alone.

    Attributes
    ----------
    label : str
    share : float
        Of all frequencies.
    told : HeldOut
    true_positives, false_positives : float
        Share of the class, and of the others, that is then called so.
    random : float array M
        AUROC by random blocks, as many and at the same distances from frequency 0.
    p : float
        ``(b + 1) / (m + 1)``; a ring holds few blocks, so that chance draws the same ones. nan
        without random masks.
    gain : mapping of unit to float
        AUROC of each unit less its mean over the random masks.
    """

    label: str
    share: float
    told: HeldOut
    true_positives: float
    false_positives: float
    random: Floats
    p: float
    gain: dict[str, float]


def alone(
    asked: Asked, found: FrequencyMap, label: str, share: float, draws: tuple[int, int]
) -> Alone:
    """Show the model nothing but the dominant frequencies of a class, in crops of all classes.

    Parameters
    ----------
    asked : Asked
        Cells that the map was not made of.
    found : FrequencyMap
    label : str
    share : float
        Of all frequencies.
    draws : (int, int)
        Random masks, and seed.
    """
    chosen = found.dominant(label, share)
    spectrum, level = half_spectrum(asked.light), asked.level

    def ask(blocks: npt.NDArray[np.int64]) -> tuple[Floats, HeldOut]:
        logits = asked.logits(keep_of(spectrum, np.isin(found.blocks, blocks), level))
        return logits, asked.told(logits)

    logits, told = ask(chosen)
    rng = np.random.default_rng(draws[1])
    null = [ask(matched_blocks(chosen, found.blocks, rng))[1] for _ in range(draws[0])]
    random = np.array([each.auroc for each in null])
    called = logits.argmax(axis=1) == list(asked.predictor.classes).index(label)
    of_class = np.asarray(asked.cells.labels) == label
    beaten = (1 + np.count_nonzero(random >= told.auroc)) / (1 + len(random))
    mean = {u: float(np.mean([each.units[u] for each in null])) for u in told.units if null}
    return Alone(
        label,
        float(np.isin(found.blocks, chosen).mean()),
        told,
        float(called[of_class].mean()),
        float(called[~of_class].mean()),
        random,
        float(beaten) if null else math.nan,
        {unit: told.units[unit] - value for unit, value in mean.items()},
    )


def sweeps(asked: Asked) -> dict[str, list[dict[str, float]]]:
    """AUROC of the model over the cut-off: low frequencies alone, high ones alone, bands alone.

    The mean of each channel is the same for all crops throughout.
    """
    px = asked.cells.crop_px
    spectrum, level = half_spectrum(asked.light), asked.level

    def ask(mask: Mask) -> float:
        return asked.told(asked.logits(keep_of(spectrum, mask, level))).auroc

    passes: dict[str, list[dict[str, float]]] = {"low_pass": [], "high_pass": [], "band_pass": []}
    cuts = [cut for cut in CUTS if cut >= 1.5 / px]
    for cut in cuts:
        passes["low_pass"].append({"to": cut, "auroc": ask(band(px, px, 0, cut))})
        passes["high_pass"].append({"from": cut, "auroc": ask(band(px, px, cut, 1))})
    for low, high in zip([0.0, *cuts], [*cuts, 0.71], strict=True):
        passes["band_pass"].append({"from": low, "to": high, "auroc": ask(band(px, px, low, high))})
    return passes


def ranked_amplitudes(cells: CropSet) -> dict[str, dict[str, list[float]]]:
    """ADCS per class and channel, averaged over rings of frequency (ten from 0 to 0.5)."""
    px = cells.crop_px
    truth = np.asarray(cells.labels, dtype=str)
    size = {
        name: np.abs(np.fft.fft2(cells.crops[truth == name].astype(np.float64))).mean(axis=0)
        for name in cells.classes
    }
    rings = [band(px, px, k / 20, (k + 1) / 20) for k in range(10)]
    return {
        name: {
            channel: [float(score[c][ring].mean()) if ring.any() else 0.0 for ring in rings]
            for c, channel in enumerate(cells.channels)
        }
        for name, score in compare_amplitudes(size).items()
    }


def _loss(logits: Floats, own: npt.NDArray[np.int64]) -> Floats:
    top = logits.max(axis=1)
    whole = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top
    found: Floats = whole - logits[np.arange(len(own)), own]
    return found
