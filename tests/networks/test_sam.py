"""Prompted networks from folders: what is read, how pictures go in and masks come out."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from lucyte.networks.sam import bilinear_weights, read_sam  # noqa: E402
from lucyte.schema.errors import InputError, UsageError  # noqa: E402
from worlds.tiny_sam import SIDE, write_sam, write_sam2  # noqa: E402

PICTURE = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
BOXES = np.array([[10, 10, 40, 40], [30, 20, 70, 80], [80, 50, 119, 89]])


@pytest.fixture(scope="module", params=["sam", "sam2"])
def folder(request, tmp_path_factory):
    write = {"sam": write_sam, "sam2": write_sam2}[request.param]
    return write(tmp_path_factory.mktemp(request.param))


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_masks_in_px_of_the_picture_are_those_of_the_published_steps(folder):
    model = read_sam(folder)
    seen = model.embed(PICTURE)
    answer = model.ask(seen, boxes=BOXES)
    assert answer.scores.shape == (3,) and answer.logits.shape[0] == 3
    low = torch.from_numpy(answer.logits)[None]
    if model.kind == "sam":
        assert seen.inner == (48, 64)
        low = torch.nn.functional.interpolate(low, (SIDE, SIDE), mode="bilinear")[..., :48, :64]
    full = torch.nn.functional.interpolate(low, (90, 120), mode="bilinear")[0].numpy()
    for logits, expected in zip(answer.logits, full, strict=True):
        for x0, y0, x1, y1 in ((0, 0, 120, 90), (13, 7, 64, 81), (119, 89, 120, 90)):
            got = model.window(seen, logits, (x0, y0, x1, y1))
            np.testing.assert_allclose(got, expected[y0:y1, x0:x1], atol=2e-4)


def test_the_answer_is_that_of_the_network_itself(folder):
    model = read_sam(folder)
    square = PICTURE[:64, :64]
    light = torch.from_numpy(square.transpose(2, 0, 1) / 255.0).float()
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    boxes = torch.tensor([[[4.0, 4.0, 30.0, 40.0], [20.0, 8.0, 60.0, 60.0]]])
    with torch.no_grad():
        direct = model._network(
            ((light - mean) / std)[None], input_boxes=boxes, multimask_output=False
        )
    answer = model.ask(model.embed(square), boxes=boxes[0].numpy())
    np.testing.assert_allclose(answer.logits, direct.pred_masks[0, :, 0], atol=1e-4)
    np.testing.assert_allclose(answer.scores, direct.iou_scores[0, :, 0], atol=1e-5)


@pytest.mark.parametrize("shape", [(90, 120), (200, 130), (41, 40)])
def test_pictures_are_prepared_as_published(tmp_path, shape):
    published = pytest.importorskip("transformers.models.sam.image_processing_pil_sam")
    size = {"height": SIDE, "width": SIDE}
    peer = published.SamImageProcessorPil(size={"longest_edge": SIDE}, pad_size=size)
    picture = np.random.default_rng(2).integers(0, 256, (*shape, 3)).astype(np.uint8)
    expected = peer(picture, return_tensors="pt")
    model = read_sam(write_sam(tmp_path))
    assert model._inner(shape) == tuple(expected["reshaped_input_sizes"][0].tolist())
    one_grey_level = 1 / 255 / 0.224
    got = model._prepare(picture)
    np.testing.assert_allclose(got, expected["pixel_values"], atol=1.01 * one_grey_level)


def test_of_several_masks_of_a_point_the_best_is_taken(folder):
    model = read_sam(folder)
    seen = model.embed(PICTURE[:64, :64])
    points = np.array([[20.0, 20.0], [50.0, 40.0]])
    got = model.ask(seen, points=points, several=True)
    with torch.no_grad():
        every = model._network(
            image_embeddings=seen._features,
            input_points=torch.from_numpy(points).float()[None, :, None],
            multimask_output=True,
        )
    assert every.iou_scores.shape[-1] == 3, "test invalid"
    np.testing.assert_allclose(got.scores, every.iou_scores[0].max(1).values, atol=1e-6)


def test_weights_of_bilinear_resizing_equal_torch():
    values = np.random.default_rng(1).random(13).astype(np.float32)
    for target in (5, 13, 40):
        expected = torch.nn.functional.interpolate(
            torch.from_numpy(values)[None, None], target, mode="linear"
        )[0, 0]
        np.testing.assert_allclose(
            bilinear_weights(13, target, 0, target) @ values, expected, atol=1e-6
        )


def test_normalisation_is_read_from_the_folder(copy):
    (copy / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5, 0.4, 0.3], "image_std": [1, 1, 2]})
    )
    model = read_sam(copy)
    assert (model.mean, model.std) == ((0.5, 0.4, 0.3), (1.0, 1.0, 2.0))
    (copy / "processor_config.json").write_text(
        json.dumps({"image_processor": {"do_normalize": False}})
    )
    (copy / "preprocessor_config.json").unlink()
    assert read_sam(copy).mean == (0.0, 0.0, 0.0)


def test_pickle_is_never_read(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(
        InputError, match=r"pickle only \(pytorch_model\.bin\).*never read.*save_pre"
    ):
        read_sam(copy)
    (copy / "pytorch_model.bin").unlink()
    with pytest.raises(InputError, match=r"holds no weights \(\*\.safetensors\)"):
        read_sam(copy)


def test_weights_that_lack_a_part_are_refused(copy):
    path = copy / "model.safetensors"
    arrays = load_file(path)
    gone = next(name for name in arrays if "mask_decoder.output_hypernetworks" in name)
    save_file({k: v for k, v in arrays.items() if k != gone}, path, metadata={"format": "pt"})
    with pytest.raises(
        InputError, match=r"its weights lack 1 parts of a Sam.*They would be random"
    ):
        read_sam(copy)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="cannot be read as a Sam"):
        read_sam(copy)


def test_a_video_checkpoint_of_sam2_is_read_for_pictures(folder, copy):
    model = read_sam(folder)
    if model.kind == "sam":
        pytest.skip("SAM has no video checkpoints")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "sam2_video"}))
    video = read_sam(copy)
    assert (video.kind, video.sha256) == ("sam2_video", model.sha256)
    got = [each.ask(each.embed(PICTURE), boxes=BOXES).scores for each in (model, video)]
    np.testing.assert_array_equal(*got)


def test_other_folders_are_refused(copy, tmp_path):
    with pytest.raises(InputError, match=r"config\.json: is not there\. Give the folder"):
        read_sam(tmp_path / "none")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "vit"}))
    with pytest.raises(InputError, match=r"model_type 'vit'.*need one of sam, sam2, sam2_video"):
        read_sam(copy)
    (copy / "config.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read_sam(copy)


def test_pictures_and_prompts_are_checked(folder):
    model = read_sam(folder)
    with pytest.raises(UsageError, match=r"uint8 picture Y X 3, got float64 \(4, 4\)"):
        model.embed(np.zeros((4, 4)))
    with pytest.raises(UsageError, match="device 'abacus' cannot be used here"):
        read_sam(folder, device="abacus")
    with pytest.raises(UsageError, match="give boxes or points"):
        model.ask(model.embed(PICTURE))
