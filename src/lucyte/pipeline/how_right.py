"""How often a model is right, beside its explanation: maps of a model at chance mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lucyte.networks.model_folder import Card, read_folder
from lucyte.pipeline.asked_model import AskedModel


def both_right(asked: AskedModel, drawer: Path | None) -> str:
    """How often the model is right, and what drew the film strips."""
    told = how_right(asked.card, asked.model.classes)
    drawn = "" if drawer is None else how_right(read_folder(drawer).card, asked.model.classes, "it")
    return f"{told} Film strips are drawn by another model. {drawn}".lstrip() if drawn else told


def how_right(card: Card, classes: Sequence[str], who: str = "the model") -> str:
    """A sentence from the card's balanced accuracy, and a warning where chance does as well.

    Parameters
    ----------
    card : Card
    classes : sequence of str
        Of the model; chance is one in so many.
    who : str
        What the sentence calls it.

    Returns
    -------
    str
        Empty where the card holds no balanced accuracy.
    """
    told = card.metrics.get("balanced_accuracy")
    if told is None:
        return ""
    chance = 1 / len(classes)
    low, high = told.get("low"), told.get("high")
    ends = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
    unit = f"{told['unit']}{'' if told['n'] == 1 else 's'}"
    text = (
        f"On {told['n']} {unit} that it had not seen {who} was right with balanced accuracy "
        f"{told['value']:.2f}{ends}; guessing gives {chance:.2f}."
    )
    if (told["value"] if low is None else low) <= chance:
        text += " That is not surely better than guessing: read no biology into what follows."
    return text
