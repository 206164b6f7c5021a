"""Plan: what was asked for. Strict settings, one class per stage, copied once at the boundary."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lucyte.schema.errors import InputError, UsageError, unknown

Switch = Literal["off", "auto", "on"]
SCORES = ("AUROC", "balanced accuracy", "F1@0.5", "SEG", "TRA")
"""Scores for which a plan may state what they must reach."""


class Settings(BaseModel):
    """Base of every section: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSettings(Settings):
    """Where the images are and how their names are read."""

    path: str = Field(description="file, folder or glob; relative to the plan's folder")
    layout: str = Field("auto", description="a layout's name, or auto")
    pattern: str | None = Field(None, description="regular expression with named groups")
    plate_map: str | None = Field(None, description="CSV joined by well, or by image name")
    channels: dict[str, str] = Field({}, description="new name = name in the files")
    pixel_size_um: float | None = Field(None, gt=0, description="overrides the files; your word")
    interval_s: float | None = Field(None, gt=0)
    select: dict[str, int] = Field({}, description="position along an axis Lucyte does not keep")
    pages: Literal["T", "Z", "C"] | None = Field(
        None, description="what the pages of a plain TIFF stack are, where it does not say"
    )
    max_gb: float | None = Field(None, gt=0, description="largest plane to open, GB")
    empty_chunks: bool = Field(
        False, description="chunks that an OME-Zarr leaves out are zeros on purpose"
    )
    projection: Literal["none", "max"] = Field(
        "none", description="max: work on the brightest px over Z; planes are lost"
    )
    wells: list[str] = Field([], description="only these wells; empty for all")
    time_indices: list[int] = Field([], description="only these frames; empty for all")
    truth: str | None = Field(None, description="CTC truth folder, label images or boxes")
    labels: str | None = Field(None, description="label images made elsewhere, instead of segment")
    on_damaged: Literal["flag", "stop"] = "flag"


class CorrectSettings(Settings):
    """What is done to pixels before anything is measured. Off unless asked or clearly needed."""

    illumination: Switch = "off"
    background: Switch = "off"
    background_radius: str = "auto"
    bleed_through: dict[str, dict[str, float]] = Field(
        {}, description="bleed_through.TO.FROM = fraction of FROM seen in TO"
    )
    registration: Switch = "off"
    registration_reference: str | None = None


class ObjectSettings(Settings):
    """How one kind of object is found."""

    kind: str = Field("cell", description="cell, nucleus, cytoplasm, spot or organelle:<channel>")
    channels: list[str] = Field([], description="channels to look in; summed after scaling")
    method: Literal["threshold", "network", "subtract", "log", "grow", "ridge"] = Field(
        "threshold",
        description="threshold: threshold and split; network: a trained model; grow: outwards "
        "from the parent kind; subtract: cell minus nucleus; log: spots; ridge: tubes such as "
        "mitochondria",
    )
    model: str | None = Field(
        None, description="with method network: a shipped name, a model folder or an ONNX file"
    )
    outlines: str | None = Field(
        None,
        description="with method network: a second model that draws masks in the boxes: a folder "
        "of crop masks, or a SAM checkpoint",
    )
    confidence: float | None = Field(
        None, ge=0, le=1, description="lowest score of a network's object; default the model's own"
    )
    threshold: Literal["adaptive", "otsu", "local", "li", "triangle"] = Field(
        "adaptive", description="adaptive: a level for each object; otherwise one for the image"
    )
    diameter_px: float | Literal["auto"] = "auto"
    sensitivity: float = Field(1.0, gt=0, description="multiplies the threshold's distance")
    min_area_px: int | Literal["auto"] = "auto"
    split: bool = True
    parent: str | None = None
    stack: Literal["planes", "volume"] = Field(
        "planes",
        description="Z Y X by threshold: planes: each in 2-D, then stitched; volume: in 3-D",
    )
    anisotropy: float | Literal["auto"] = Field(
        "auto", description="step in Z over the size of a px; auto: what the files say"
    )

    @field_validator("anisotropy")
    @classmethod
    def _above_zero(cls, value: float | str) -> float | str:
        if isinstance(value, float) and not value > 0:
            raise ValueError("must be above 0")
        return value


class SegmentSettings(Settings):
    """The kinds of object, in the order in which they are found."""

    objects: list[ObjectSettings] = [ObjectSettings()]
    engine: Literal["auto", "torch", "openvino", "openvino-bf16"] = Field(
        "auto", description="what runs networks; auto: torch on a GPU, otherwise openvino in f32"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where networks run; auto: a GPU where there is one"
    )
    tta: bool = Field(
        False, description="look four times, mirrored; adds an uncertainty to every object"
    )


class MeasureSettings(Settings):
    """Feature columns."""

    families: list[Literal["intensity", "shape", "texture", "spots", "neighbours"]] = [
        "intensity",
        "shape",
        "texture",
        "spots",
        "neighbours",
    ]
    ratios: list[tuple[str, str]] = Field([], description="channel pairs, numerator first")
    spot_channels: list[str] = Field([], description="empty: every channel of light but DNA, TL")
    spot_diameter_px: float = Field(5.0, gt=0)


class ClassifySettings(Settings):
    """States of objects, learned group by group."""

    enabled: Switch = "auto"
    kind: str = "auto"
    target: str = Field("condition", description="the column to learn")
    group: str = Field("auto", description="kept together in folds; auto: where the cause is")
    folds: int = Field(5, ge=2)
    max_objects: int = Field(20000, ge=10, description="per class, drawn evenly over groups")
    exclude: list[str] = Field(
        [], description="regular expressions of feature columns to leave out"
    )


class TrackSettings(Settings):
    """Lineages of each movie."""

    enabled: Switch = "auto"
    kind: str = "auto"
    max_distance: str = Field("auto", description="longest step, px, um or diameter")
    usual_step: str = Field(
        "auto", description="typical step per frame, px, um or diameter; auto: from sure links"
    )
    max_gap: int = Field(1, ge=0, description="frames an object may be missing")
    divisions: bool = True
    repair: Literal["off", "bridge", "all"] = Field(
        "off", description="bridge: masks for missed objects; all: merged ones are split, too"
    )
    window: int | Literal["auto"] = Field(
        "auto", description="frames solved at once; auto: all, windows beyond 300,000 objects"
    )


class ExplainSettings(Settings):
    """Explanations and embeddings."""

    enabled: Switch = "auto"
    cells_per_class: int = Field(6, ge=1)
    occlusion_px: int | Literal["auto"] = "auto"
    embedding_cells: int = Field(3000, ge=20)
    perplexity: float = Field(30.0, gt=1)


class EvidenceSettings(Settings):
    """The tests that everything faces."""

    enabled: Switch = "auto"
    alpha: float = Field(0.05, gt=0, lt=1)
    margin: float = Field(0.1, gt=0, lt=0.5, description="AUROC above 0.5 a shortcut may gain")
    permutations: int = Field(9999, ge=19)
    require: dict[str, float] = Field(
        {}, description="what a score must reach, stated before looking: AUROC, F1@0.5, TRA ..."
    )
    crops: int = Field(2000, ge=100, description="cells sampled for retraining, over all fields")
    crop_px: int | Literal["auto"] = "auto"

    @field_validator("require")
    @classmethod
    def _known_scores(cls, require: dict[str, float]) -> dict[str, float]:
        for name in require:
            if name not in SCORES:
                raise ValueError(str(unknown("score", name, SCORES)))
        return require


class ReportSettings(Settings):
    """The page a person reads."""

    title: str = ""
    example_cells: int = Field(24, ge=1)


class Plan(Settings):
    """Everything a run was asked to do; written out with every default."""

    seed: int = Field(0, ge=0)
    input: InputSettings
    correct: CorrectSettings = CorrectSettings()
    segment: SegmentSettings = SegmentSettings()
    measure: MeasureSettings = MeasureSettings()
    classify: ClassifySettings = ClassifySettings()
    track: TrackSettings = TrackSettings()
    explain: ExplainSettings = ExplainSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    report: ReportSettings = ReportSettings()


def parse_plan(text: str, where: str = "plan.toml") -> Plan:
    """Read a plan from TOML; refuse an unknown key with the nearest right one."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: not valid TOML: {error}.") from None
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        raise explain_validation(error, Plan, where) from None


def load_plan(path: str | Path) -> Plan:
    """Read a plan file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(path, "no such plan.", "Make one with: lucyte init IMAGES") from None
    except IsADirectoryError:
        raise InputError(path, "is a folder; make a plan with: lucyte init FOLDER") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read as a plan: {error}.") from None
    return parse_plan(text, str(path))


def explain_validation(error: ValidationError, model: type[BaseModel], where: str) -> UsageError:
    """Turn pydantic's first complaint into one line that names the key and what is allowed."""
    extra = [each for each in error.errors() if each["type"] == "extra_forbidden"]
    first = (extra or error.errors())[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        parents, last = first["loc"][:-1], str(first["loc"][-1])
        allowed = _section(model, parents)
        refusal = unknown("plan key", last, allowed)
        return UsageError(f"{where}: {refusal} (at {key})")
    got = first.get("input")
    shown = "" if first["type"] == "missing" else f", got {got!r}"
    return UsageError(f"{where}: {key}: {first['msg'].lower()}{shown}.")


def _section(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    current: type[BaseModel] = model
    for part in path:
        if isinstance(part, int):
            continue
        annotation = current.model_fields[str(part)].annotation
        inner = getattr(annotation, "__args__", (annotation,))[0]
        current = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else current
    return list(current.model_fields)
