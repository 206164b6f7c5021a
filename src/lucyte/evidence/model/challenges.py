"""Every challenge of a model, as a table of rows, and what puts them to a Subject one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Literal

from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.finding import Finding

Need = Literal["predictor", "learner", "places", "levels", "masks"]
Progress = Callable[[str, int, int], None]
"""Told the name of the challenge that begins, its number from 0, and how many there are."""
HERE = "lucyte.evidence.model"


@dataclass(frozen=True)
class Challenge:
    """One row: what is asked, and what it takes.

    Attributes
    ----------
    name : str
        Its Findings begin with it, or with what is before its first dot.
    asks : str
        In words a biologist reads.
    needs : tuple of str
        What a `Subject` must hold beside labelled cells.
    retrains : bool
        Fits models of its own; otherwise it intervenes on the model at hand.
    module, function : str
        ``function(subject, settings) -> list[Finding]``.
    """

    name: str
    asks: str
    needs: tuple[Need, ...]
    retrains: bool
    module: str
    function: str


CHALLENGES: tuple[Challenge, ...] = (
    Challenge(
        "background.data_permit",
        "can the classes be told without any cell: from places, erased crops, outlines?",
        ("masks",),
        True,
        f"{HERE}.background",
        "background_permit",
    ),
    Challenge(
        "background.model_relies",
        "do answers move with the background of the other class?",
        ("predictor", "masks"),
        False,
        f"{HERE}.background",
        "background_relies",
    ),
    Challenge(
        "background.model_relies.erased",
        "does the model still know when cells are overwritten by cell-free texture?",
        ("predictor", "masks"),
        False,
        f"{HERE}.without_cells",
        "erased_relies",
    ),
    Challenge(
        "background.model_relies.silhouettes",
        "do answers move when outlines are exchanged between cells?",
        ("predictor", "masks"),
        False,
        f"{HERE}.without_cells",
        "silhouettes_relies",
    ),
    Challenge(
        "statistics.data_permit",
        "can the classes be told from level, tint, grain, focus, crowding, file size, JPEG traces?",
        (),
        True,
        f"{HERE}.image_statistics",
        "statistics_permit",
    ),
    Challenge(
        "statistics.model_relies",
        "do answers move with the level, tint, brightness or noise of the other class?",
        ("predictor", "masks"),
        False,
        f"{HERE}.image_statistics",
        "statistics_relies",
    ),
    Challenge(
        "position.data_permit",
        "can the classes be told from the place in the field, on the plate or in the crop?",
        (),
        True,
        f"{HERE}.position",
        "position_permit",
    ),
    Challenge(
        "position.model_relies",
        "do answers move with the crop's margin or with the cell's place in its crop?",
        ("predictor",),
        False,
        f"{HERE}.position",
        "position_relies",
    ),
    Challenge(
        "frequency",
        "do a few spatial frequencies decide for a class?",
        ("predictor",),
        False,
        f"{HERE}.frequency",
        "frequency_shortcut",
    ),
    Challenge(
        "batch",
        "does the model know plate, well, day or position, and does the class hang on it?",
        ("levels",),
        True,
        f"{HERE}.batch",
        "batch",
    ),
    Challenge(
        "robustness",
        "under which noise, blur, brightness, scale, compression does the model hold?",
        ("predictor",),
        False,
        f"{HERE}.robustness",
        "robustness",
    ),
    Challenge(
        "seeds",
        "does a model made again say the same of the same cell?",
        ("learner",),
        True,
        f"{HERE}.retrained",
        "seeds",
    ),
    Challenge(
        "null",
        "does a model made from shuffled labels know nothing?",
        (),
        True,
        f"{HERE}.retrained",
        "null",
    ),
)

_LACKS: dict[Need, str] = {
    "predictor": "no model is given, so only the data can be asked about",
    "learner": "it is not known how such a model is made (a Learner), so none is made again",
    "places": "no places without cells are given",
    "levels": "nothing is known of the design (plate, well, day, position)",
    "masks": "the crops have no masks",
}


@dataclass(frozen=True)
class Challenged:
    """What came back.

    Attributes
    ----------
    findings : tuple of Finding
        In the order of the table.
    skipped : mapping of str to str
        Each challenge that was not possible, and why.
    """

    findings: tuple[Finding, ...]
    skipped: dict[str, str]


def run_challenges(
    subject: Subject,
    settings: ChallengeSettings | None = None,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Challenged:
    """Put challenges to a Subject; one that cannot be done never loses the others.

    Parameters
    ----------
    subject : Subject
    settings : ChallengeSettings
    names : sequence of str, optional
        Rows of `CHALLENGES`; a name before a dot stands for all of its kind. All if not given.
    progress : callable, optional

    Raises
    ------
    UsageError
        A name that is not in the table.
    """
    how = settings or ChallengeSettings()
    rows = chosen(names)
    findings: list[Finding] = []
    skipped: dict[str, str] = {}
    for number, row in enumerate(rows):
        if progress is not None:
            progress(row.name, number, len(rows))
        lacking = why_not(row, subject)
        if lacking:
            skipped[row.name] = lacking
            continue
        try:
            ask = getattr(import_module(row.module), row.function)
            found = ask(subject, how)
        except (UsageError, InputError) as error:
            skipped[row.name] = str(error)
        except MemoryError:
            skipped[row.name] = "memory ran out; ask of fewer crops (most_crops, most_asked)"
        except Exception as error:  # a fault of one challenge is told, and loses no other
            skipped[row.name] = f"the challenge itself broke ({type(error).__name__}: {error})"
        else:
            findings += [_with_assumed(each, subject) for each in found]
    return Challenged(tuple(findings), skipped)


def chosen(names: Sequence[str] | None = None) -> tuple[Challenge, ...]:
    """The rows of these names, in the order of the table.

    Raises
    ------
    UsageError
        A name that is not in the table.
    """
    if names is None:
        return CHALLENGES
    known = [row.name for row in CHALLENGES]
    kinds = sorted({name.split(".")[0] for name in known})
    for name in names:
        if name not in (*known, *kinds):
            raise unknown("challenge", name, (*known, *kinds))
    wanted = set(names)
    return tuple(row for row in CHALLENGES if {row.name, row.name.split(".")[0]} & wanted)


def why_not(row: Challenge, subject: Subject) -> str:
    """Why this challenge cannot be put to this Subject; an empty string where it can."""
    cells = subject.crops.of_kind("cell")
    has: dict[Need, bool] = {
        "predictor": subject.predictor is not None,
        "learner": subject.learner is not None,
        "places": subject.places is not None or "background" in subject.crops.kind,
        "levels": bool(subject.levels),
        "masks": bool(cells.masks.any()),
    }
    lacking = [_LACKS[need] for need in row.needs if not has[need]]
    known = sorted(set(cells.labels) - {""})
    if len(known) < 2:
        lacking.append(f"two classes are needed, the cells show {', '.join(known) or 'none'}")
    model = subject.predictor
    asked = not lacking and "predictor" in row.needs
    if asked and model is not None and model.input_px != cells.crop_px:
        lacking.append(
            f"the model takes crops of {model.input_px} px, these are {cells.crop_px} px"
        )
    return "; ".join(lacking)


def _with_assumed(found: Finding, subject: Subject) -> Finding:
    return replace(found, assumed=(*subject.assumed, *found.assumed))
