from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lucyte.learn.object_augment import Lighting, relight
from lucyte.learn.object_crops import CropSettings, draw_crop, prepare_image
from lucyte.learn.object_targets import boxes_of_labels
from lucyte.learn.object_training import Diverged, TrainingSettings, train_objects
from lucyte.networks.object_network import ObjectConfig, build
from lucyte.schema.errors import UsageError

CROPS = CropSettings(side_px=64, diameters_px=(10, 20), wide_px=(8, 30))
SETTINGS = TrainingSettings(steps=6, batch=2, crops=CROPS, check_every=3)


def blobs(seed=0, masks=True, shape=(90, 110)):
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for k, (cy, cx) in enumerate(rng.uniform(10, 90, (9, 2)), 1):
        labels[(np.hypot(y - cy, x - cx) < 7) & (labels == 0)] = k
    image = 100 + 900 * (labels > 0) + rng.normal(0, 20, shape)
    boxes = boxes_of_labels(labels)
    return prepare_image(f"i{seed}", f"g{seed}", image[None], labels if masks else None, boxes)


def network():
    torch.manual_seed(0)
    return build(ObjectConfig(("DNA",), "nucleus", widths=(4, 6, 8)))


def score(found):
    return {"score": -float(sum(p.detach().abs().sum() for p in found.parameters()))}


def test_a_crop_shows_its_objects_where_its_targets_say():
    image = blobs()
    plain = replace(CROPS, lighting=Lighting(*[0.0] * 9), elastic=0.0, wide=0.0)
    inside, outside = [], []
    for seed in range(12):
        crop, targets = draw_crop(image, plain, np.random.default_rng(seed))
        large = np.kron(targets.foreground, np.ones((2, 2))) > 0
        inside.append(crop[0][large].mean() if large.any() else np.nan)
        outside.append(crop[0][~large].mean())
    assert np.nanmean(inside) > 0.8 > 0.15 > np.nanmean(outside)


def test_boxes_of_a_crop_enclose_the_objects_seen():
    with_masks, boxes_alone = blobs(), blobs(masks=False)
    plain = replace(CROPS, lighting=Lighting(*[0.0] * 8), elastic=0.0, turn=False)
    for seed in range(8):
        crop, by_mask = draw_crop(with_masks, plain, np.random.default_rng(seed))
        same, by_box = draw_crop(boxes_alone, plain, np.random.default_rng(seed))
        np.testing.assert_array_equal(crop[0], same[0])
        sure = by_box.foreground == 1
        assert sure.any(), "test invalid: nothing is in view"
        assert by_mask.foreground[sure].mean() > 0.95


def test_crops_are_of_the_size_asked_for():
    image = blobs()
    narrow = replace(CROPS, diameters_px=(30, 30), wide=0.0)
    sizes = []
    for seed in range(20):
        _, targets = draw_crop(image, narrow, np.random.default_rng(seed))
        if targets.size.any():
            sizes.append(targets.size.max() * 2)
    assert 22 < np.median(sizes) < 36


def test_light_changes_and_labels_do_not():
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 1, (3, 32, 32)).astype(np.float32)
    labels = np.zeros((16, 16), np.int32)
    labels[3:9, 3:9] = 1
    every = Lighting(*[1.0] * 8)
    out, noise = relight(image, (0.01, 0.01, 0.01), labels, 2, every, rng)
    assert out.shape == image.shape and (out >= 0).all() and len(noise) == 3
    assert sum(not plane.any() for plane in out) == 1, "one channel is missing, not all"
    assert image.max() <= 1, "the image itself is left alone"


def test_stops_and_goes_on_to_the_same_weights(tmp_path):
    images = [blobs(0), blobs(1)]
    whole, _ = train_objects(network(), images, SETTINGS, tmp_path / "a", evaluate=score)

    class Stop(Exception):
        pass

    def stop(row):
        if row["step"] == 3:
            raise Stop

    with pytest.raises(Stop):
        train_objects(network(), images, SETTINGS, tmp_path / "b", evaluate=score, told=stop)
    again, state = train_objects(network(), images, SETTINGS, tmp_path / "b", evaluate=score)
    assert [row["step"] for row in state.history] == [3, 6]
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    images = [blobs(0)]
    train_objects(network(), images, SETTINGS, tmp_path, evaluate=score)
    with pytest.raises(UsageError, match="checkpoint of other settings"):
        train_objects(network(), images, replace(SETTINGS, seed=1), tmp_path, evaluate=score)
    with pytest.raises(UsageError, match="or other data"):
        train_objects(network(), images, replace(SETTINGS, about="b"), tmp_path, evaluate=score)


def test_divergence_stops_with_the_reason_and_keeps_the_last_good_state(tmp_path):
    bad = network()
    good = train_objects(network(), [blobs(0)], SETTINGS, tmp_path, evaluate=score)[1]
    assert (tmp_path / "best.safetensors").is_file() and good.best_step
    with torch.no_grad():
        next(iter(bad.parameters())).fill_(float("nan"))
    with pytest.raises(Diverged, match="diverged at step 0: the loss is nan"):
        train_objects(bad, [blobs(0)], SETTINGS, tmp_path / "new", evaluate=score)


def test_stops_early_when_nothing_gets_better(tmp_path):
    settings = replace(SETTINGS, steps=30, check_every=2, patience=2)
    _, state = train_objects(
        network(), [blobs(0)], settings, tmp_path, evaluate=lambda _: {"score": 0.5}
    )
    assert state.best_step == 2 and state.history[-1]["step"] == 6


def test_nothing_annotated_is_refused(tmp_path):
    empty = prepare_image("e", "e", np.zeros((1, 40, 40)), None, np.zeros((0, 4)))
    with pytest.raises(UsageError, match="no training image holds an annotated object"):
        train_objects(network(), [empty], SETTINGS, tmp_path, evaluate=score)


def test_an_unknown_loss_is_refused():
    with pytest.raises(UsageError, match="unknown loss 'dise'"):
        TrainingSettings(losses={"dise": 1.0})
