"""Masks in boxes, by the published protocol: python recipes/box_masks.py SIMULATED MODEL.

SIMULATED is a folder that ``lucyte simulate autophagy -o SIMULATED --seed 7`` wrote. The merged
pictures are taken apart into EGFP, mRFP and TL; every cell's box is cut out and resized to 64 px;
a U-Net++ learns the cell's mask. The last two wells of each condition are kept back: the figures
are of them, and of simulated cells. MODEL becomes a model folder.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from lucyte.io.atomic import write_bytes
from lucyte.io.cellular_merged import CHANNELS, decode
from lucyte.io.truth import read_mask_folder
from lucyte.learn.crop_mask_training import CropSamples, crop_scores, train_crop_masks
from lucyte.networks.crop_masks import CropMaskNetwork, store
from lucyte.networks.model_folder import Card, pack
from lucyte.schema.objects import BOX, Labels
from lucyte.segment.box_crops import cut_crops, masks_in_boxes, windows
from lucyte.stats.instances import InstanceCounts, count_instances
from lucyte.stats.instances import scores as instance_scores

ROOM = 0.25
WIDE = 96
LIMITS = (
    "Trained on simulated cells alone; no figure here says how well it outlines real ones.",
    "One cell per crop: a neighbour inside the box is to be left out, and may not be.",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("simulated", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    samples = read_samples(asked.simulated)
    wells = pd.read_csv(asked.simulated / "platemap.csv")
    kept_back = wells.groupby("condition")["well"].tail(2).tolist()
    held = np.isin(samples.groups, kept_back)
    print(f"{(~held).sum()} crops to train on, {held.sum()} kept back ({', '.join(kept_back)})")
    start = time.perf_counter()

    def tell(step: int, loss: float) -> None:
        if step % 50 == 0:
            print(f"step {step}: loss {loss:.3f}, {time.perf_counter() - start:.0f} s", flush=True)

    model = train_crop_masks(
        samples.take(np.flatnonzero(~held)), CHANNELS, steps=asked.steps, seed=asked.seed, told=tell
    )
    test = samples.take(np.flatnonzero(held))
    scores = crop_scores(model, test)
    frames = frame_scores(model, asked.simulated, kept_back)
    print({name: round(value, 3) for name, value in (scores | frames).items()})
    world = (asked.simulated / "world.json").read_bytes()
    n = len(test.crops)
    told = {name: {"value": value, "n": n, "unit": "crop"} for name, value in scores.items()}
    card = Card(
        training_data="lucyte simulate autophagy, merged pictures",
        data_sha256=hashlib.sha256(world).hexdigest(),
        split=f"wells {', '.join(kept_back)} kept back; figures are of simulated cells",
        metrics=told,
        normalisation="mean 0, deviation 1 per crop and channel, inside the network",
        data_licence="CC0-1.0 (simulated)",
        limits=LIMITS,
    )
    for name, data in pack(store(model, card)).items():
        asked.model.mkdir(parents=True, exist_ok=True)
        write_bytes(asked.model / name, data)


def read_samples(folder: Path) -> CropSamples:
    """All cells of a simulated plate, with room around their boxes."""
    crops, masks, inner, groups = [], [], [], []
    for each in sorted((folder / "masks").iterdir()):
        image, labels, boxes = read_frame(folder, each.name)
        where = windows(boxes, labels.shape, ROOM)
        crops.append(np.rint(cut_crops(image, boxes, side=WIDE, margin=ROOM)).astype(np.uint8))
        for row, box in enumerate(boxes):
            own = (labels == row + 1)[None].astype(np.float32)
            masks.append(cut_crops(own, box[None], side=WIDE, margin=ROOM)[0, 0] >= 0.5)
        low, size = np.tile(where[:, :2], 2), np.tile(where[:, 2:] - where[:, :2], 2)
        inner.append((boxes - low) / size * WIDE)
        groups += [each.name.split("_")[-2]] * len(boxes)
    return CropSamples(
        np.concatenate(crops), np.stack(masks), np.concatenate(inner), np.array(groups)
    )


def read_frame(
    folder: Path, stem: str
) -> tuple[npt.NDArray[np.uint8], Labels, npt.NDArray[np.float64]]:
    """Channels, label image and boxes of one frame."""
    known = read_mask_folder(folder / "masks" / stem)
    image = decode(np.asarray(Image.open(folder / "merged" / f"{stem}.jpg")))
    return image, known.labels, known.table[list(BOX)].to_numpy(dtype=np.float64)


def frame_scores(model: CropMaskNetwork, folder: Path, wells: list[str]) -> dict[str, float]:
    """F1 at IoU 0.5 and 0.75 of masks pasted into whole frames, from the true boxes."""
    counts = InstanceCounts()
    for each in sorted((folder / "masks").iterdir()):
        if each.name.split("_")[-2] in wells:
            image, labels, boxes = read_frame(folder, each.name)
            found = masks_in_boxes(image, boxes, model).labels
            counts = counts + count_instances(labels, found)
    pooled = instance_scores(counts)
    return {name: pooled[name] for name in ("F1@0.5", "F1@0.75")}


if __name__ == "__main__":
    main()
