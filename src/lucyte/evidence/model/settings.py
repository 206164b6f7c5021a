"""How challenges of a model ask and judge: the same settings for every one of them."""

from __future__ import annotations

from dataclasses import dataclass

from lucyte.schema.errors import UsageError


@dataclass(frozen=True)
class ChallengeSettings:
    """What every challenge is given beside its `Subject`.

    Attributes
    ----------
    margin : float
        AUROC (or balanced accuracy) above chance that a shortcut may gain, and below the untouched
        crops that a disturbance may cost.
    reliance : float
        Share of the distance between the classes that an exchange may move an answer.
    fails_at : float
        Share from which what was exchanged decides about as much as the cells do.
    alpha : float
        Level of tests.
    most_crops : int
        Cells looked at, drawn evenly over the units.
    most_asked : int
        Cells that the model at hand is asked about again and again, drawn evenly over the units.
    folds : int
        At most so many fits per input; fewer where units are few.
    halo_px : int
        Width around each object that counts as neither cell nor background.
    permutations : int
        Random masks, shuffles or arrangements drawn for a null, where refitting is cheap.
    refits : int
        Fits of ``Subject.learner`` that seeds and null may cost.
    seed : int
    """

    margin: float = 0.1
    reliance: float = 0.2
    fails_at: float = 0.5
    alpha: float = 0.05
    most_crops: int = 2000
    most_asked: int = 600
    folds: int = 6
    halo_px: int = 3
    permutations: int = 199
    refits: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        shares = ("margin", "reliance", "fails_at", "alpha")
        for name in shares:
            if not 0 < getattr(self, name) < 1:
                raise UsageError(f"{name} must lie between 0 and 1, got {getattr(self, name):g}.")
        fewest = {"most_crops": 8, "most_asked": 8, "folds": 2, "halo_px": 0, "refits": 2}
        for name, least in {**fewest, "permutations": 19}.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, got {getattr(self, name)}.")
