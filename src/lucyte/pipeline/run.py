"""``lucyte run``: the order of the stages, from a plan to a report."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lucyte.evidence.ledger import Headline
from lucyte.evidence.ledger import write as write_ledger
from lucyte.io.atomic import write_json
from lucyte.io.edits import read_edits
from lucyte.io.plates import open_plate
from lucyte.io.write_table import write_parquet
from lucyte.io.write_zarr import create_plate
from lucyte.pipeline.believe import gather_evidence
from lucyte.pipeline.check import check_plan, doubts
from lucyte.pipeline.context import Context
from lucyte.pipeline.correction import fit_corrections
from lucyte.pipeline.executor import default_workers, run_tasks
from lucyte.pipeline.field_stage import FieldTask, run_field
from lucyte.pipeline.finders import model_digests
from lucyte.pipeline.fingerprint import hash_texts
from lucyte.pipeline.folder import RunFolder
from lucyte.pipeline.movie_stage import MovieTask, run_movie, write_lineage
from lucyte.pipeline.pilot import alike, check_channels, pilot
from lucyte.pipeline.progress import step
from lucyte.pipeline.provenance import machine, versions
from lucyte.pipeline.sample import crops_per_field
from lucyte.pipeline.starter import plan_toml, rebase
from lucyte.pipeline.state_stage import classify_plate, keep_model
from lucyte.pipeline.tables import kinds_found, write_flags, write_objects
from lucyte.pipeline.words import counted
from lucyte.pipeline.write_report import write_report
from lucyte.schema.errors import InputError, LucyteError, UsageError, unknown
from lucyte.schema.plan import Plan, load_plan
from lucyte.schema.plate import Field, Problem
from lucyte.schema.tracks import Edit


@dataclass(frozen=True)
class RunResult:
    """Where a run ended.

    Attributes
    ----------
    folder : Path
    summary : str
        A few lines for the terminal: what was found, what to look at first.
    """

    folder: Path
    summary: str


def run_plan_file(
    path: Path, out: Path, *, workers: int | None, copy_images: bool = False, quiet: bool = False
) -> RunResult:
    """Do what a plan file asks; paths in it are relative to the file's folder."""
    command = f"lucyte run {shlex.quote(str(path))} -o {shlex.quote(str(out))}"
    command += " --copy-images" if copy_images else ""
    plan = load_plan(path)
    base = path.absolute().parent
    return run_plan(
        plan, base, out, command=command, workers=workers, copy_images=copy_images, quiet=quiet
    )


def report_again(run_folder: Path) -> RunResult:
    """Write the report of a finished run again, as the command that made the run would.

    Raises
    ------
    UsageError
        The folder holds no finished run.
    """
    try:
        known = json.loads((run_folder / "provenance.json").read_text(encoding="utf-8"))
        command, copied = known["command"], known["inputs"]["images"].startswith("copied")
    except (OSError, ValueError, KeyError):
        raise UsageError(
            f"{run_folder}: holds no finished run; make one with: lucyte run PLAN -o {run_folder}"
        ) from None
    plan = load_plan(run_folder / "plan.toml")
    base = run_folder.absolute()
    return run_plan(plan, base, run_folder, command=command, copy_images=copied, quiet=True)


def run_plan(
    plan: Plan,
    base: Path,
    out: Path,
    *,
    command: str,
    workers: int | None = None,
    copy_images: bool = False,
    quiet: bool = False,
) -> RunResult:
    """Do the whole job; what an earlier, stopped run finished is kept.

    Parameters
    ----------
    plan : Plan
    base : Path
        Folder that paths in the plan are relative to.
    out : Path
        The run folder; made if absent.
    command : str
        What to print in the report.
    workers : int or None
        Processes for field and movie scope; None is one per core.
    copy_images : bool
    quiet : bool
        No progress.

    Raises
    ------
    UsageError
        A plan that does not fit the images.
    InputError
        No image that can be read, or a damaged one when the plan says to stop.
    """
    plate = open_plate(plan.input, base)
    plan = rebase(plan, base.resolve(), out.resolve())
    if not plate.fields:
        raise InputError(
            plan.input.path, "holds no image that Lucyte can read.", "See lucyte info."
        )
    plate = alike(plate)
    check_channels(plan, plate.fields)
    check_plan(plan, plate, out)
    folder = RunFolder(out)
    refuse_other_images(folder.root, plan)
    with folder.lock():
        context = Context(
            plan=plan,
            plate=plate,
            folder=folder,
            command=command,
            workers=workers or default_workers(len(plate.fields)),
            quiet=quiet,
            copy_images=copy_images,
            problems=[*doubts(plate), *plate.problems],
        )
        folder.begin(plan_toml(plan, full=True))
        _fields(context)
        _movies(context)
        classified = _timed(context, "classify", classify_plate)
        with context.clock.stage("tables"):
            states = classified.states.table if classified.states else None
            write_objects(folder, context.fields, states, context.tracked)
            write_flags(context)
            write_parquet(classified.wells, out / "wells.parquet")
        beliefs = gather_evidence(context, classified)
        keep_model(context, classified, beliefs.findings, beliefs.crops)
        write_json(out / "evidence.json", write_ledger(beliefs.findings))
        write_json(out / "provenance.json", _provenance(context))
        write_report(context, classified, beliefs, _provenance(context))
        counts = kinds_found(folder, context.fields)
    return RunResult(out, _summary(context, counts, beliefs.headline))


def refuse_other_images(out: Path, plan: Plan) -> None:
    """A run folder belongs to its images; and it is not the folder of the images.

    Raises
    ------
    UsageError
        ``out`` holds a run of another path, or is the folder of the images itself.
    """
    images = (out.resolve() / plan.input.path).resolve()
    if out.resolve() == images:
        raise UsageError(f"{out}: is the folder of the images; choose another folder with -o.")
    known = out / "plan.toml"
    if known.is_file() and (out / "stages").is_dir():
        before = load_plan(known).input.path
        if (out.resolve() / before).resolve() != images:
            raise UsageError(
                f"{out}: holds a run of other images ({before}); choose another folder with -o."
            )


def _fields(context: Context) -> None:
    """Field scope over all fields, damaged ones named and left out."""
    plan, plate = context.plan, context.plate
    with context.clock.stage("pilot"):
        context.pilot = pilot(plan, plate.fields, context.folder.root.resolve())
        fit = fit_corrections(plan, plate.fields)
        context.fit = fit
        create_plate(context.folder / "plate.zarr", plate.fields)
    side = context.pilot.crop_px
    channels = max(len(each.channels) for each in plate.fields)
    crops = crops_per_field(plan.evidence.crops, len(plate.fields), side, channels)
    tasks = [
        FieldTask(each, plan, context.folder.root, crops, side, fit, context.copy_images)
        for each in plate.fields
    ]
    results: dict[str, dict[str, Any]] = {}
    with (
        context.clock.stage("fields") as facts,
        step("Segmenting and measuring", len(tasks), quiet=context.quiet) as done,
    ):
        for result in run_tasks(run_field, tasks, _workers(context, "field", tasks)):
            results[result["field_id"]] = result
            done()
        facts["fields"] = len(tasks)
        facts["kept_from_before"] = sum(each["resumed"] for each in results.values())
    for task in tasks:
        name = task.field.field_id
        context.problems += [Problem(**each) for each in results[name]["problems"]]
        context.frames[name] = tuple(results[name]["frames"])
        context.sha256[name] = results[name]["sha256"]
        context.upstream[name] = task.fingerprint
    context.fields = tuple(each for each in plate.fields if context.frames[each.field_id])
    if not context.fields:
        first = context.problems[0] if context.problems else None
        told = f" {first.where}: {first.message}" if first else ""
        raise LucyteError(f"no frame of {plan.input.path} could be read.{told}")
    shown = {name: each["corrections"] for name, each in results.items() if each["corrections"]}
    context.corrected = shown


def _movies(context: Context) -> None:
    """Movie scope over the fields that have more than one frame."""
    plan = context.plan
    frames = context.frames
    movies = [each for each in context.fields if len(frames[each.field_id]) > 1]
    keep = [] if plan.track.enabled == "off" else [each.field_id for each in movies]
    context.folder.forget_tracks(keep)
    if plan.track.enabled == "off":
        context.skipped["track"] = "the plan turns tracking off"
        return
    if not movies:
        context.skipped["track"] = "every field has a single frame"
        return
    kind = context.pilot.kind if plan.track.kind == "auto" else plan.track.kind
    said = _edits(context.folder.root / "edits.csv", movies)
    tasks = [
        MovieTask(
            each,
            plan,
            context.folder.root,
            kind,
            context.upstream[each.field_id],
            frames[each.field_id],
            tuple(one for one in said if one.field_id in ("", each.field_id)),
        )
        for each in movies
    ]
    with context.clock.stage("track"), step("Tracking", len(tasks), quiet=context.quiet) as done:
        for result in run_tasks(run_movie, tasks, _workers(context, "track", tasks)):
            where = result["field_id"]
            context.problems += [Problem(where, "other", note) for note in result["notes"]]
            done()
        write_lineage(context.folder, movies)
    context.tracked = True


def _edits(path: Path, movies: Sequence[Field]) -> tuple[Edit, ...]:
    """A person's corrections of the lineages, where the run folder holds some.

    Raises
    ------
    InputError, UsageError
        A line that cannot be read, a movie that is not there, or none named among several.
    """
    if not path.is_file() or not path.read_text(encoding="utf-8", errors="replace").strip():
        return ()
    said, names = read_edits(path), [each.field_id for each in movies]
    for each in said:
        if each.field_id not in names and (each.field_id or len(names) > 1):
            raise unknown("field_id", each.field_id, names, f"In {path}, line {each.line}.")
    return said


def _workers(context: Context, stage: str, tasks: Sequence[FieldTask | MovieTask]) -> int:
    """As many as were asked for; one where all is done already, for starting them takes seconds."""
    known = ((each.field.field_id, each.fingerprint) for each in tasks)
    done = all(context.folder.finished(stage, name, mark) is not None for name, mark in known)
    return 1 if done else context.workers


def _timed(context: Context, name: str, work: Any) -> Any:
    with context.clock.stage(name), step(name.capitalize(), 1, quiet=context.quiet) as done:
        result = work(context)
        done()
    return result


def _provenance(context: Context) -> dict[str, Any]:
    return {
        "command": context.command,
        "versions": versions(),
        "machine": machine(context.plan.segment),
        "models": dict(model_digests(context.plan.segment, context.folder.root.resolve())),
        "seed": context.plan.seed,
        "workers": context.workers,
        "inputs": {
            "files": sum(len(each.source.paths) for each in context.plate.fields),
            "sha256": hash_texts(context.sha256),
            "sha256_by_field": dict(sorted(context.sha256.items())),
            "images": "copied to plate.zarr" if context.copy_images else "referred to",
        },
        "stages": context.clock.stages,
        "skipped": context.skipped,
    }


def _summary(context: Context, counts: dict[str, int], headline: Headline) -> str:
    found = ", ".join(counted(n, kind) for kind, n in counts.items()) or "nothing"
    frames = sum(len(each) for each in context.frames.values())
    where = f"{counted(frames, 'frame')} of {counted(len(context.fields), 'field')}"
    lines = [f"Found {found} in {where}."]
    if "classify" in context.skipped:
        lines.append(f"  No states: {context.skipped['classify']}.")
    lines += [f"  Not to be believed: {line}" for line in headline.not_believed]
    lines.append(
        f"  {counted(len(headline.believed), 'test')} passed, {len(headline.not_believed)} failed, "
        f"{len(headline.open)} open."
    )
    if context.problems:
        lines.append(
            f"  {counted(len(context.problems), 'problem')} with the input, listed in the report."
        )
    lines.append(f"Wrote {context.folder.root}: report.html, objects.parquet, evidence.json ...")
    return "\n".join(lines)
