"""``lucyte simulate`` and ``lucyte demo``: worlds written to disk, and the main job on one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from lucyte.io.atomic import disk_errors
from lucyte.pipeline.run import run_plan
from lucyte.pipeline.starter import plan_toml, starter_plan
from lucyte.schema.errors import UsageError
from lucyte.schema.plan import explain_validation
from lucyte.simulate.leigh import simulate_leigh
from lucyte.simulate.leigh_settings import LeighSettings
from lucyte.simulate.leigh_write import write_leigh
from lucyte.simulate.lineage import simulate_lineage
from lucyte.simulate.lineage_settings import LineageSettings
from lucyte.simulate.lineage_write import write_lineage
from lucyte.simulate.organelle_settings import OrganelleSettings
from lucyte.simulate.organelle_write import write_organelles
from lucyte.simulate.organelles import simulate_organelles
from lucyte.simulate.settings import WorldSettings, demo_settings
from lucyte.simulate.worlds import simulate
from lucyte.simulate.write_cellular import write_cellular

Model = TypeVar("Model", WorldSettings, LineageSettings, LeighSettings, OrganelleSettings)


def write_world(world: str, out: Path, seed: int, settings: list[str]) -> str:
    """Simulate a world and write it in CELLULAR's form, truth beside it.

    World ``lineage`` is made of films and has settings of its own, without sections; so has
    ``leigh``, a screen.

    Parameters
    ----------
    world : str
    out : Path
    seed : int
    settings : list of str
        ``KEY=VALUE`` with dotted keys, e.g. ``layout.frames=3`` or ``shortcut.kind=tint``.
    """
    if world == "lineage":
        films = simulate_lineage(_with(settings, LineageSettings()), seed)
        with disk_errors(out):
            write_lineage(films, out)
        frames = len(films.fields) * len(films.settings.imaged)
        return f"Wrote {len(films.fields)} films, {frames} frames and their truth to {out}."
    if world == "leigh":
        screen = simulate_leigh(_with(settings, LeighSettings()), seed)
        with disk_errors(out):
            written = write_leigh(screen, out)
        return f"Wrote {written} fields of {len(screen.wells)} wells and their truth to {out}."
    if world == "organelles":
        stacks = simulate_organelles(_with(settings, OrganelleSettings()), seed)
        with disk_errors(out):
            write_organelles(stacks, out)
        return f"Wrote {len(stacks.stacks)} stacks, their table and their truth to {out}."
    simulated = simulate(world, _with(settings, demo_settings()) if settings else None, seed)
    with disk_errors(out):
        write_cellular(simulated, out)
    fields = simulated.plate.fields
    frames = sum(len(each.time_indices) for each in fields)
    return f"Wrote {len(fields)} fields, {frames} frames and their truth to {out}."


def run_demo(out: Path, seed: int, workers: int | None) -> str:
    """Simulate the demo plate below ``out`` and do the whole job on it."""
    images = out / "plate"
    if not (images / "world.json").is_file():
        with disk_errors(images):
            write_cellular(simulate("autophagy", demo_settings(), seed), images, merged=False)
    plan, _ = starter_plan(images / "images", out)
    report = plan.report.model_copy(update={"title": "Demo: fed and starved cells (simulated)"})
    truth = plan.input.model_copy(update={"truth": "plate/truth"})
    plan = plan.model_copy(update={"seed": seed, "report": report, "input": truth})
    (out / "demo.toml").write_text(plan_toml(plan, full=False), encoding="utf-8")
    command = f"lucyte demo -o {out} --seed {seed}"
    return run_plan(plan, out, out, command=command, workers=workers).summary


def _with(settings: list[str], base: Model) -> Model:
    data: dict[str, Any] = base.model_dump()
    for text in settings:
        key, equals, value = text.partition("=")
        *path, last = key.strip().split(".")
        place = data
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise UsageError(f"--set {text}: {part} holds no settings of its own.")
        if not equals:
            raise UsageError(f"--set {text}: write KEY=VALUE, e.g. layout.frames=3.")
        place[last] = value.split(",") if "," in value else value
    try:
        return type(base).model_validate(data)
    except ValidationError as error:
        raise explain_validation(error, type(base), "--set") from None
