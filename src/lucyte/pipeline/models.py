"""``lucyte models``: what models there are, what they expect and how well they do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lucyte.networks.model_folder import StoredModel, read_folder
from lucyte.networks.shipped import SHIPPED, model_path


def describe_models(model: str, as_json: bool) -> str:
    """One model, or all that are shipped, for a person or a program."""
    names = [model] if model else [row.name for row in SHIPPED]
    found = {name: _facts(name) for name in names}
    if as_json:
        return json.dumps(found, indent=2, ensure_ascii=False)
    return "\n\n".join(_words(name, facts) for name, facts in found.items())


def _facts(name: str) -> dict[str, Any]:
    path = model_path(name)
    if not path.is_dir():
        return _foreign(path)
    stored = read_folder(path)
    return {
        "path": str(path),
        "kind": stored.kind,
        "architecture": stored.architecture,
        "channels": list(stored.channels),
        "classes": list(stored.classes),
        "pixel_size_um": stored.pixel_size_um,
        "config": dict(stored.config),
        "parameters": _parameters(stored),
        "card": asdict(stored.card),
    }


def _foreign(path: Path) -> dict[str, Any]:
    from lucyte.networks.yolo_onnx import read_yolo

    model = read_yolo(path)
    return {
        "path": str(path),
        "kind": "yolo",
        "architecture": f"ONNX detector, form {model.form}",
        "channels": ["red", "green", "blue"] if model.colours == 3 else ["grey"],
        "classes": list(model.names),
        "input_px": list(model.input_px),
        "sha256": model.sha256,
    }


def _parameters(stored: StoredModel) -> int:
    return int(sum(each.size for each in stored.arrays.values()))


def _words(name: str, facts: Mapping[str, Any]) -> str:
    config = facts.get("config", {})
    lines = [name]
    shipped = {row.name: row.what for row in SHIPPED}
    if name in shipped:
        lines.append(f"  {shipped[name]}")
    channels = ", ".join(facts["channels"])
    one = len(facts["channels"]) == 1 and facts["kind"] == "objects"
    role = f"{channels} (any one channel, named with --channel)" if one else channels
    lines.append(f"  looks at   {role}")
    if config.get("finds"):
        what = "masks and boxes" if config["has_masks"] else "boxes (outlines are a guess)"
        lines.append(f"  finds      {config['finds']}: {what}")
    if facts["classes"]:
        lines.append(f"  classes    {', '.join(facts['classes'])}")
    if config.get("typical_px"):
        low, high = config["diameters_px"]
        lines.append(
            "  size       estimated per image, or --diameter-px; learned at "
            f"{low:g} to {high:g} px after resampling; typical in training images: "
            f"{config['typical_px']:g} px"
        )
    card = facts.get("card")
    if card:
        lines.append(f"  learned    {card['training_data']}; data {card['data_licence']}")
        lines.append(f"  tested     {card['split']}")
        for metric, value in card["metrics"].items():
            low, high = value.get("low"), value.get("high")
            spread = f" ({low:.3f} to {high:.3f})" if low is not None else ""
            where = f"n = {value['n']} {value['unit']}"
            lines.append(f"  {metric:<18} {value['value']:.3f}{spread}, {where}")
        lines += [f"  limit      {each}" for each in card["limits"]]
    return "\n".join(lines)
