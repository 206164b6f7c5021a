"""Version, licence and layers are the same wherever they are written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import lucyte

ROOT = Path(__file__).resolve().parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_one_version() -> None:
    assert f"\nversion: {lucyte.__version__}\n" in text("CITATION.cff")
    newest = re.search(r"^## (\S+)", text("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None and newest[1] == lucyte.__version__


def test_one_licence_and_no_invented_authors() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    assert f"license: {project['license']}\n" in text("CITATION.cff")
    assert re.findall(r'- name: "(.*)"', text("CITATION.cff")) == ["The Lucyte developers"]


def test_layers_are_those_that_are_checked() -> None:
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    checked = [layer.replace("lucyte.", "") for layer in contracts[0]["layers"]]
    assert "\n".join(checked) in text("CONTRIBUTING.md")


def test_make_targets_exist() -> None:
    named = set(re.findall(r"^make (\w+)", text("CONTRIBUTING.md"), re.MULTILINE))
    assert len(named) >= 3
    assert named <= set(re.findall(r"^(\w+):", text("Makefile"), re.MULTILINE))
