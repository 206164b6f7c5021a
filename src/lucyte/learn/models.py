"""Model folders to predictors and back: the kinds on offer are rows of a table."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from lucyte.io.atomic import atomic_path
from lucyte.networks.model_folder import Card, StoredModel, pack, read_folder
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import Predictor


@dataclass(frozen=True)
class ModelKind:
    """One row of the table of kinds.

    Attributes
    ----------
    name : str
        What ``model.json`` says.
    module, cls : str
        Where the class lives. It has ``store(card) -> StoredModel`` and
        ``restore(stored) -> Predictor``.
    what : str
        For a person.
    """

    name: str
    module: str
    cls: str
    what: str


KINDS = (
    ModelKind(
        "features",
        "lucyte.learn.feature_predictor",
        "FeaturePredictor",
        "measure inside the mask, then a sparse linear model",
    ),
    ModelKind(
        "crop-statistics",
        "lucyte.learn.crops",
        "CropPredictor",
        "statistics of the whole crop, then a linear model",
    ),
    ModelKind(
        "image-classifier",
        "lucyte.networks.image_classifier",
        "ImageClassifier",
        "a network of images, with any fusion of channels",
    ),
    ModelKind(
        "invertible-classifier",
        "lucyte.networks.invertible_classifier",
        "InvertibleClassifier",
        "a network of images that can be undone, for counterfactuals",
    ),
    ModelKind(
        "autoencoder",
        "lucyte.networks.autoencoder",
        "Autoencoder",
        "a variational autoencoder whose first latents say the class",
    ),
)


def save_model(model: Predictor, folder: str | Path, card: Card | None = None) -> Path:
    """Write a model folder, whole or not at all.

    Parameters
    ----------
    model : Predictor
        Of a class in `KINDS`.
    folder : str or Path
        An existing model there is replaced; anything else is refused.
    card : Card, optional

    Raises
    ------
    UsageError
        A model of no known kind, or a folder that holds something else.
    """
    target = Path(folder)
    if target.exists() and not (target / "model.json").is_file():
        raise UsageError(f"{target}: exists and is no model folder; choose another with -o.")
    maker: Any = model
    if (type(model).__module__, type(model).__name__) not in {(r.module, r.cls) for r in KINDS}:
        raise UsageError(
            f"a {type(model).__name__} cannot be saved; "
            f"kinds that can: {', '.join(row.name for row in KINDS)}."
        )
    stored: StoredModel = maker.store(card or Card())
    with atomic_path(target) as temporary:
        temporary.mkdir()
        for name, data in pack(stored).items():
            (temporary / name).write_bytes(data)
    return target


def load_model(folder: str | Path) -> Predictor:
    """Read a model folder; hashes are checked, an unknown kind is refused.

    Raises
    ------
    InputError
        Not a model folder, damaged or changed.
    UsageError
        A kind that this version does not have.
    """
    stored = read_folder(folder)
    rows = {row.name: row for row in KINDS}
    if stored.kind not in rows:
        raise unknown("kind of model", stored.kind, rows, f"In {folder}.")
    row = rows[stored.kind]
    predictor: Predictor = getattr(import_module(row.module), row.cls).restore(stored)
    return predictor


def load_card(folder: str | Path) -> Card:
    """The card of a model folder."""
    return read_folder(folder).card
