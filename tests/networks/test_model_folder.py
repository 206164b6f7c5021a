from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lucyte.networks.model_folder import Card, StoredModel, pack, read_folder
from lucyte.schema.errors import InputError, UsageError


def stored(**changes):
    fields = {
        "kind": "features",
        "architecture": "two numbers",
        "classes": ("fed", "verhungert µ"),
        "channels": ("EGFP", "mask:cell"),
        "input_px": 32,
        "pixel_size_um": None,
        "config": {"features": ["a", "b"], "clip": 6.0},
        "arrays": {"w": np.arange(6.0).reshape(2, 3), "b": np.zeros(2, np.float32)},
        "card": Card(
            split="wells", tested_conditions={"plate": ("P1",)}, intensity_range={"EGFP": (0, 9)}
        ),
    }
    return StoredModel(**{**fields, **changes})


def write(folder, model):
    for name, data in pack(model).items():
        (folder / name).write_bytes(data)
    return folder


def test_comes_back_as_it_was(tmp_path):
    back = read_folder(write(tmp_path, stored()))
    model = stored()
    assert (back.kind, back.classes, back.channels) == (model.kind, model.classes, model.channels)
    assert back.pixel_size_um is None
    assert back.config == model.config
    assert back.card == model.card
    assert {k: (v.dtype, v.tolist()) for k, v in back.arrays.items()} == {
        k: (v.dtype, v.tolist()) for k, v in model.arrays.items()
    }


def test_equal_models_give_equal_bytes_whatever_the_order_of_the_arrays():
    arrays = stored().arrays
    turned = dict(reversed(list(arrays.items())))
    assert list(turned) != list(arrays), "test invalid: the order must differ"
    assert pack(stored()) == pack(stored(arrays=turned))


def test_a_change_in_the_card_is_refused(tmp_path):
    write(tmp_path, stored())
    path = tmp_path / "model.json"
    text = path.read_text("utf-8")
    assert '"a"' in text
    path.write_text(text.replace('"a"', '"z"'), "utf-8")
    with pytest.raises(InputError, match=r"model\.json: does not match the hash"):
        read_folder(tmp_path)


def test_a_change_in_the_weights_is_refused(tmp_path):
    write(tmp_path, stored())
    path = tmp_path / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"weights\.safetensors: does not match the hash"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: (d / "model.json").unlink(), "model.json: is not there. A model is a folder"),
        (lambda d: (d / "weights.safetensors").unlink(), "weights.safetensors: is not there"),
        (lambda d: (d / "model.json").write_text("{"), "is not JSON"),
        (lambda d: (d / "model.json").write_text("[1]"), "not a model of Lucyte: format 'list'"),
        (lambda d: (d / "model.json").write_text('{"format": "x"}'), "format 'x', needed"),
        (lambda d: (d / "model.json").write_bytes(b"\xff\xfe\x00"), "is not JSON"),
    ],
)
def test_what_is_no_model_folder_says_so(tmp_path, change, message):
    change(write(tmp_path, stored()))
    with pytest.raises(InputError) as caught:
        read_folder(tmp_path)
    assert message in str(caught.value)


def test_a_card_that_lacks_something_names_it(tmp_path):
    write(tmp_path, stored())
    path = tmp_path / "model.json"
    head = json.loads(path.read_text("utf-8"))
    del head["classes"]
    path.write_text(json.dumps(head), "utf-8")
    with pytest.raises(InputError, match="lacks classes"):
        read_folder(tmp_path)


def test_only_plain_numbers_and_plain_settings_are_stored():
    with pytest.raises(UsageError, match="array 'w' holds object"):
        pack(stored(arrays={"w": np.array([{}])}))
    with pytest.raises(UsageError, match="not plain JSON"):
        pack(stored(config={"clip": math.nan}))
    with pytest.raises(UsageError, match="not plain JSON"):
        pack(stored(config={"clip": {1, 2}}))
