"""Do single numbers of a crop tell the classes, and does the model at hand follow them?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.evidence.model.donors import NoDonorError
from lucyte.evidence.model.image_numbers import outside_families, sharpness, whole_families
from lucyte.evidence.model.inputs import free_level, grown
from lucyte.evidence.model.permit import Permit, permit, plain_answer
from lucyte.evidence.model.reliance import (
    Asked,
    not_exchanged,
    nothing_to_rely_on,
    reliance_finding,
)
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.evidence.model.watch import Make, known_cells, watch
from lucyte.schema.crops import CropSet
from lucyte.schema.finding import Finding

Light = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

OUTSIDE = Permit(
    name="statistics.data_permit",
    question="Is it the cells that tell {names}, rather than light level, tint, grain, focus, "
    "crowding or the file?",
    subject="Image statistics",
    follows="a model can be right from how the picture was taken or stored, whether that is "
    "biology or not",
    little="there is little to gain by it",
    assumed=("found objects cover all cells", "statistics see what a stronger model would see"),
)
WHOLE = Permit(
    name="statistics.data_permit.whole",
    question="Does it take more than brightness, tint, sharpness or size of the whole crop to tell "
    "{names}?",
    subject="Statistics of whole crops",
    follows="the cells themselves may cause it, or exposure, staining or focus: these crops cannot "
    "say which",
    little="the cells hold more than such a number",
    assumed=("exposure, staining and focus were the same in all classes",),
    may_fail=False,
)
EXCHANGES = {
    "mean": "the light level, all channels alike",
    "tint": "the light of each channel against the others",
    "gain": "the brightness of everything, as by another lamp or exposure",
    "grain": "the noise of the picture",
    "sharpness": "the sharpness of the whole crop, by blurring",
    "size": "the size of the cell, by rescaling its crop",
}
RELIES = Asked(
    name="statistics.model_relies",
    question="Does this model look at more than the picture's level, tint, brightness and noise?",
    what="Image statistics",
    done="Giving each cell an image statistic of the other class",
    guilty="this model follows how the picture was taken",
    exchanges=EXCHANGES,
    judged=("mean", "tint", "gain", "grain"),
    assumed=(
        "level and tint add through the cell as beside it",
        "brightness multiplies cell and background alike",
    ),
    reviewer="Paired exchange of image statistics, measured outside the objects, between classes",
)


def statistics_permit(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Fit on numbers of a crop that are not the cell, singly and together; then on the whole's.

    Returns
    -------
    list of Finding
        ``statistics.data_permit``, judged on what lies outside the cells and in the file, and
        ``statistics.data_permit.whole``, which never fails: whole crops hold the cells, so a gain
        there may be biology.
    """
    some, _ = subject.cells(settings.most_crops, settings.seed).testable()
    plain = plain_answer(some.crops, settings)
    outside = outside_families(some, settings.halo_px)
    whole = whole_families(some.crops)
    return [
        permit(some, outside, plain, settings, OUTSIDE),
        permit(some, whole, plain, settings, WHOLE),
    ]


def statistics_relies(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Give each cell's picture a statistic of the other class and see how far its answer moves.

    Level, tint, brightness and noise are measured outside the objects, so that what the cells
    themselves hold is not exchanged; these are judged. Sharpness and size of the whole are shown.
    """
    cells = known_cells(subject, settings.most_asked, settings.seed)
    assert subject.predictor is not None
    cells = cells.take(np.isfinite(free_level(cells, settings.halo_px)).all(axis=1))
    if len(cells.classes) < 2:
        why = "too few crops show px outside their objects"
        return [not_exchanged(RELIES, why, cells.unit)]
    try:
        moved, gap = watch(subject.predictor, cells, exchanges_of(cells, settings), settings)
    except NoDonorError as error:
        return [not_exchanged(RELIES, str(error), cells.unit)]
    if moved is None:
        return [not_exchanged(RELIES, nothing_to_rely_on(gap), cells.unit)]
    limits = (settings.reliance, settings.fails_at)
    return [reliance_finding(moved, gap, cells.unit, limits, RELIES)]


def exchanges_of(cells: CropSet, settings: ChallengeSettings) -> dict[str, Make]:
    """Every exchange of a statistic that these crops allow.

    Tint needs two channels; brightness needs a background that is clearly above 0, as the gain is
    read from it.
    """
    level = free_level(cells, settings.halo_px).astype(np.float32)
    noise = _noise(cells, settings.halo_px)
    sharp = sharpness(cells)
    area = np.maximum(cells.masks.sum(axis=(1, 2)), 1).astype(np.float64)

    def light(at: Rows) -> Light:
        return np.asarray(cells.crops[at], dtype=np.float32)

    def mean(at: Rows, donors: Rows) -> Light:
        lift = (level[donors] - level[at]).mean(axis=1)
        return np.asarray(light(at) + lift[:, None, None, None])

    def tint(at: Rows, donors: Rows) -> Light:
        lift = level[donors] - level[at]
        lift -= lift.mean(axis=1, keepdims=True)
        return np.asarray(light(at) + lift[:, :, None, None])

    def gain(at: Rows, donors: Rows) -> Light:
        return light(at) * (level[donors] / level[at])[:, :, None, None]

    def grain(at: Rows, donors: Rows) -> Light:
        rng = np.random.default_rng(settings.seed)
        return _renoised(light(at), noise[at], noise[donors], rng)

    def blur(at: Rows, donors: Rows) -> Light:
        return _as_sharp(light(at), sharp[at], sharp[donors])

    def size(at: Rows, donors: Rows) -> Light:
        return rescaled(light(at), np.sqrt(area[donors] / area[at]))

    made: dict[str, Make] = {"mean": mean, "grain": grain, "sharpness": blur, "size": size}
    if len(cells.channels) > 1:
        made["tint"] = tint
    if (level > 3 * noise).all():
        made["gain"] = gain
    return {name: made[name] for name in EXCHANGES if name in made}


def rescaled(pictures: Light, factors: npt.NDArray[np.float64]) -> Light:
    """Each picture ``N C Y X`` magnified about its centre by its factor, mirrored at the border."""
    side = pictures.shape[-1]
    middle = (side - 1) / 2
    out = np.empty_like(pictures)
    for k, factor in enumerate(np.clip(factors, 0.5, 2.0)):
        for c in range(pictures.shape[1]):
            start = middle - middle / factor
            out[k, c] = ndi.affine_transform(
                pictures[k, c], [1 / factor] * 2, start, order=1, mode="mirror"
            )
    return out


def _noise(cells: CropSet, halo_px: int) -> Light:
    """Deviation of the px outside the objects from their neighbours' mean, as white noise.

    By the median of its size: light that falls off beside an object is steep at few px, and with
    the variance it counted as noise several times the camera's.
    """
    free = ~grown(cells.foreground, halo_px)
    x = np.asarray(cells.crops, dtype=np.float32)
    rough = x - ndi.uniform_filter(x, (0, 0, 3, 3))
    out = np.empty(x.shape[:2], dtype=np.float32)
    for k in range(len(cells)):
        out[k] = 1.4826 * np.median(np.abs(rough[k][:, free[k]]), axis=1) / np.sqrt(8 / 9)
    return out


def _renoised(x: Light, own: Light, wanted: Light, rng: np.random.Generator) -> Light:
    """Noise added where the donor has more, smoothed away where it has less."""
    more = np.sqrt(np.maximum(wanted**2 - own**2, 0))[:, :, None, None]
    out: Light = x + more * rng.standard_normal(x.shape, dtype=np.float32)
    for k, c in np.argwhere(wanted < 0.98 * own):
        # a Gaussian of this width leaves white noise 1 / (2 sqrt(pi) width) of its deviation
        width = own[k, c] / max(float(wanted[k, c]), 1e-9) / (2 * np.sqrt(np.pi))
        out[k, c] = ndi.gaussian_filter(x[k, c], min(float(width), 3.0))
    return out


def _as_sharp(x: Light, own: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> Light:
    """Blurred until as unsharp as the donor; a picture that is less sharp stays as it is."""
    out = x.copy()
    for k, c in np.argwhere(wanted < own):
        low, high = 0.0, 4.0
        for _ in range(6):
            middle = (low + high) / 2
            blurred = ndi.gaussian_filter(x[k, c], middle)
            told = np.log(max(float(ndi.laplace(blurred).var()), 1e-9))
            low, high = (middle, high) if told > wanted[k, c] else (low, middle)
        out[k, c] = ndi.gaussian_filter(x[k, c], high)
    return out
