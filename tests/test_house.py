"""The house rules that no reader should have to check by eye."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "matplotlib", "pandas", "numba", "sklearn")


def loaded_by(code: str) -> set[str]:
    """Top-level modules in memory after running ``code`` in a fresh interpreter."""
    probe = f"{code}\nimport sys\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    program = [sys.executable, "-c", probe]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=120)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import lucyte; dir(lucyte)",
        "import lucyte.cli",
        "from typer.testing import CliRunner; from lucyte.cli import app\n"
        "assert 'Usage' in CliRunner().invoke(app, ['--help']).output",
    ],
)
def test_a_first_look_is_light(code: str) -> None:
    assert {"torch", "pandas"} <= loaded_by("import torch, pandas"), "the probe sees nothing"
    assert not loaded_by(code) & set(HEAVY)


def test_public_names_resolve() -> None:
    import lucyte

    for name in lucyte.__all__:
        assert getattr(lucyte, name).__name__ if name != "__version__" else lucyte.__version__
    with pytest.raises(AttributeError, match="no attribute 'Plates'"):
        lucyte.Plates  # noqa: B018


def test_no_room_is_called_utils() -> None:
    banned = {"utils", "helpers", "common", "misc", "core"}
    found = [p for p in (ROOT / "src").rglob("*.py") if p.stem in banned or p.parent.name in banned]
    assert found == []


def test_every_verb_has_help_with_an_example() -> None:
    from typer.testing import CliRunner

    from lucyte.cli import app

    verbs = [each.name or each.callback.__name__ for each in app.registered_commands]
    assert {"info", "init", "run", "demo"} <= set(verbs)
    for verb in verbs:
        shown = CliRunner().invoke(app, [verb, "--help"])
        assert shown.exit_code == 0
        assert f"Example: lucyte {verb}" in shown.output
