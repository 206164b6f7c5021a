"""What a training left, as the content of its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lucyte.learn.image_learner import ImageSettings
from lucyte.pipeline.words import counted
from lucyte.report.classifier import render_classifier
from lucyte.report.classifier_content import ClassifierContent, sample_picture

if TYPE_CHECKING:
    from lucyte.pipeline.classifier_folder import Trained


def classifier_page(
    command: str, name: str, settings: ImageSettings, seed: int, trained: Trained
) -> str:
    """The page of a trained classifier, HTML.

    Parameters
    ----------
    command, name : str
        As typed, and of the data.
    settings : ImageSettings
    seed : int
    trained : Trained
    """
    samples, model = trained.data.samples, trained.model
    cut = trained.voted is not None
    history = trained.history
    if len(history):
        history = history[~history["network"].str.startswith(("final", "held-out"))]
    left_out = trained.data.left_out
    lost = (f"{counted(len(left_out), 'file')} could not be read.",) if left_out else ()
    return render_classifier(
        ClassifierContent(
            title=f"States of {name}",
            command=command,
            tested=trained.tested,
            findings=trained.findings,
            notes=(*trained.data.notes, *lost, *left_out[:20], *trained.notes),
            history=history if len(history) else None,
            picture=sample_picture(samples),
            comparison=trained.comparison,
            facts=_facts(settings, seed, trained),
            voted=trained.voted,
            calibration=model.calibration,
            temperatures=trained.temperatures,
            protocol=_protocol(settings),
            thing="patch" if cut else "picture",
            source="stack",
            seed=seed,
        )
    )


def _facts(settings: ImageSettings, seed: int, trained: Trained) -> dict[str, str]:
    model, tested = trained.model, trained.tested
    return {
        "encoder": settings.encoder,
        "form": settings.form,
        "channels": ", ".join(model.channels),
        "parameters": f"{model.parameters:,}",
        "samples": f"{len(trained.data.samples):,} of {model.input_px} px",
        "split": f"{tested.folds} folds, "
        + ("random" if tested.leakage else f"whole {tested.unit}s"),
        "training": f"{float(trained.history['seconds'].max()) / 60:.1f} minutes for the longest"
        if "seconds" in trained.history
        else "",
        "seed": str(seed),
    }


def _protocol(settings: ImageSettings) -> str:
    how = settings.training
    budget = f", at most {how.budget_s / 60:.0f} minutes each" if how.budget_s else ""
    return (
        f"Networks learn with AdamW from a rate of {how.rate:g} that decays exponentially to "
        f"{how.last_rate:g} of it, weight decay {how.l2:g}, dropout {settings.dropout:g}, batches "
        f"of {how.batch}, at most {how.epochs} epochs{budget}; {settings.validation:.0%} of the "
        f"training groups stop them early (patience {how.patience}) and set the temperature. "
        f"Pictures are normalised by {settings.normalisation}."
    )
