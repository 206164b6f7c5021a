"""Counterfactuals against true twins: accuracy, inverse, validity, feature changes.

python benchmarks/counterfactuals.py [--plate reporting --epochs 12 --directions detail means head]
    [--keep DIR --out figures.json --pictures DIR]

A simulated world of cells starved for long (from 6 h, none silent or out of focus), 32 px, three
channels, on plates of their own: one trains the invertible network and the plain one (as many
passes over it), one trains the independent judge (a linear model on the feature table). Whatever is
chosen is chosen on the plate ``choosing`` and told of the plate ``reporting``. Each of their cells
is shown in its other condition too, with the same noise: its twin.

Two lines say what can be reached at all: the judge's answers to the true twins, and a *ceiling*, a
forest that learns the true changes of each feature from twins of the choosing plate, which no
counterfactual may see. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from lucyte.explain.counterfactual import Counterfactuals, counterfactual
from lucyte.explain.counterfactual.changes import (
    CLEAR,
    change_words,
    feature_tables,
    twin_error,
)
from lucyte.explain.counterfactual.measures import plausibility, proximity, validity_finding
from lucyte.learn.feature_predictor import measure_inside
from lucyte.learn.image_learner import ImageLearner, ImageSettings
from lucyte.learn.image_training import TrainingSettings
from lucyte.learn.invertible_learner import InvertibleLearner, InvertibleSettings
from lucyte.learn.invertible_training import InvertibleTraining
from lucyte.networks.invertible_classifier import InvertibleClassifier
from lucyte.schema.plan import MeasureSettings
from lucyte.simulate.crops import crops
from lucyte.simulate.settings import WorldSettings, demo_settings

CHANNELS = ("EGFP", "mRFP", "TL")
FEATURES = (
    "intensity_mean_mRFP",
    "intensity_std_mRFP",
    "intensity_max_mRFP",
    "intensity_q95_mRFP",
    "intensity_mean_EGFP",
    "spots_area_px_mRFP",
    "spots_count_mRFP",
)
"""Chosen before any counterfactual was made: what starvation changes in this world."""
PX = 32
SEEDS = {"train": 21, "judge": 23, "choosing": 22, "reporting": 42}
CELLS = {"train": 1600, "judge": 1000, "choosing": 240, "reporting": 160}


class Plate(NamedTuple):
    """Cells of one plate; see `lucyte.simulate.crops.Crops`."""

    crops: npt.NDArray[np.uint16]
    labels: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    masks: npt.NDArray[np.bool_]

    def of(self, rows: npt.NDArray[np.int64]) -> Plate:
        """Some of the cells."""
        return Plate(self.crops[rows], self.labels[rows], self.groups[rows], self.masks[rows])


def world() -> WorldSettings:
    """Long starved cells, all of them to be seen."""
    demo = demo_settings()
    layout = demo.layout.model_copy(update={"wells_per_condition": 12, "start_h": 6.0})
    cell = demo.cell.model_copy(update={"silent": 0.0, "defocused": 0.0, "expression_sd": 0.5})
    return demo.model_copy(update={"layout": layout, "cell": cell})


def plate(name: str, keep: Path | None, twins: bool = False) -> Plate:
    """Simulate a plate, or read it from where it was kept."""
    at = keep / f"{name}{'-twins' if twins else ''}.npz" if keep else None
    if at is not None and at.exists():
        with np.load(at) as held:
            return Plate(*(held[part] for part in Plate._fields))
    made = crops(world(), CELLS[name], PX, SEEDS[name], twins=twins)
    found = Plate(made.crops, np.array(made.labels), np.array(made.groups), made.masks)
    if at is not None:
        at.parent.mkdir(parents=True, exist_ok=True)
        np.savez(at, **found._asdict())
    return found


def measure(light: npt.NDArray[Any], masks: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """The feature table; nan where a feature is undefined."""
    return measure_inside(light, masks, CHANNELS, MeasureSettings()).select_dtypes("number")


class Judge:
    """An independent linear model on the feature table, trained on a plate of its own."""

    def __init__(self, data: Plate) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self.model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        table = measure(data.crops, data.masks)
        self.columns = list(table.columns)
        self.spread = table.std()
        self.model.fit(self.plain(table), data.labels)

    def plain(self, table: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Numbers alone; what is undefined (the light of no spots) counts as none."""
        found = table[self.columns].to_numpy(dtype=np.float64)
        return np.where(np.isfinite(found), found, 0.0)

    def says(self, table: pd.DataFrame) -> npt.NDArray[np.str_]:
        """Class of each row."""
        return np.asarray(self.model.predict(self.plain(table)), dtype=str)


class Ceiling:
    """What the cell itself tells of how its twin differs: a forest that has seen other twins."""

    def __init__(self, judge: Judge, known: tuple[Plate, Plate], asked: tuple[Plate, Plate]):
        self.judge = judge
        self.known, self.asked = (
            [measure(each.crops, each.masks) for each in pair] for pair in (known, asked)
        )
        self.labels = known[0].labels, asked[0].labels

    def reached(self, target: str) -> dict[str, float]:
        """Share of signs that are right and the median relative error, over clear changes."""
        from sklearn.ensemble import ExtraTreesRegressor

        rows, asked = (np.flatnonzero(each != target) for each in self.labels)
        signs, errors = [], []
        for name in FEATURES:
            before, after = (table[name].to_numpy() for table in self.known)
            old, new = (table[name].to_numpy()[asked] for table in self.asked)
            forest = ExtraTreesRegressor(200, min_samples_leaf=3, random_state=0)
            forest.fit(self.judge.plain(self.known[0])[rows], (after - before)[rows])
            told = forest.predict(self.judge.plain(self.asked[0])[asked])
            clear = np.abs(new - old) > CLEAR * np.nanstd(old)
            true, told = (new - old)[clear], told[clear]
            signs.append(np.sign(told) == np.sign(true))
            errors.append(np.abs(told - true) / np.abs(true))
        sign, size = np.concatenate(signs).mean(), np.median(np.concatenate(errors))
        return {"sign": float(sign), "size": float(size)}


def inverse_error(model: InvertibleClassifier, some: npt.NDArray[Any]) -> float:
    """Largest error of the inverse in normalised units."""
    exact = model.seen.prepare(torch.from_numpy(some.astype(np.float64)))
    return float((model.planes_of(model.encode(some)) - exact).abs().max())


def told(
    model: InvertibleClassifier,
    judge: Judge,
    data: tuple[Plate, Plate],
    target: str,
    direction: str,
) -> tuple[dict[str, Any], Counterfactuals]:
    """Figures of all counterfactuals to one class."""
    rows = np.flatnonzero(data[0].labels != target)
    cells, twins = (each.of(rows) for each in data)
    made = counterfactual(model, cells.crops, target, "convincing", direction)
    before, after = feature_tables(made, cells.masks, measure)
    taken = judge.says(after) == target
    true = judge.says(measure(twins.crops, cells.masks)) == target
    groups = cells.groups.tolist()
    truth = twin_error(made, twins.crops, cells.masks, measure, FEATURES)
    others = data[0].of(np.flatnonzero(data[0].labels == target))
    real = measure(others.crops, others.masks)
    near = proximity(made)
    figures = {
        "n": len(rows),
        "wells": len(set(groups)),
        "finding": validity_finding(taken, groups, "well", target).to_json(),
        "accepted": float(taken.mean()),
        "true_twins_accepted": float(true.mean()),
        "model_says_target": float((made.after > 0.5).mean()),
        "alpha_quartiles": np.quantile(made.alphas, [0.0, 0.25, 0.5, 0.75, 1.0]).tolist(),
        "no_border": float(np.isnan(made.boundary).mean()),
        "sign": truth.sign,
        "size": truth.size,
        "features": truth.table.to_dict("records"),
        "image_rmse_made_and_unchanged": truth.image,
        "plausibility_median": float(
            np.median(plausibility(judge.plain(after), judge.plain(real)))
        ),
        "proximity_mean": {name: float(v.mean()) for name, v in near.change.items()},
        "far": float(made.far.mean()),
        "clipped": float(made.clipped.mean()),
        "words": [change_words(before.iloc[k], after.iloc[k], judge.spread) for k in range(5)],
    }
    return figures, made


def draw(made: Counterfactuals, twins: Plate, model: InvertibleClassifier, at: Path) -> None:
    """Film strips of six cells, the true twin at the end of each."""
    from PIL import Image

    from lucyte.explain.counterfactual import film_strips
    from lucyte.report.film_strip import film_strip

    at.mkdir(parents=True, exist_ok=True)
    strips = film_strips(model, made.originals[:6], made.target, 5, made.direction)
    for k in range(6):
        both = np.concatenate([strips.images[k], twins.crops[k][None]])
        Image.fromarray(film_strip(both)).save(at / f"{made.direction}-{made.target}-{k}.png")


def train(data: Plate, flow: str, epochs: int) -> tuple[InvertibleClassifier, Any, dict[str, Any]]:
    """The invertible network and the plain one, as many passes each."""
    settings = InvertibleSettings(
        flow,
        blocks=(2, 2, 2),
        hidden=(24, 32, 32),
        squeeze="haar",
        training=InvertibleTraining(epochs, epochs, rate=6e-3, last_rate=0.05),
    )
    plain = ImageSettings(width=16, training=TrainingSettings(epochs=epochs, bf16=False))
    learners = {
        "invertible": InvertibleLearner(CHANNELS, settings, told=lambda row: print(row["epoch"])),
        "plain": ImageLearner(CHANNELS, plain),
    }
    models, seconds = {}, {}
    for name, learner in learners.items():
        began = time.process_time()
        models[name] = learner.fit(  # type: ignore[attr-defined]
            data.crops, data.labels.tolist(), data.groups.tolist(), 0
        )
        seconds[f"{name}_cpu_seconds"] = round(time.process_time() - began, 1)
    return models["invertible"], models["plain"], seconds


def table(found: dict[str, Any], directions: list[str]) -> str:
    """The goals and what was reached, as lines of Markdown."""
    lines = [
        f"accuracy {found['accuracy']:.3f}, plain network {found['plain_accuracy']:.3f}, "
        f"judge {found['judge_accuracy']:.3f}; inverse error {found['inverse_error']:.1e}",
        "",
        f"| to | figure | wanted | {' | '.join(directions)} | can be reached |",
        f"| --- | --- | --- |{' --- |' * (len(directions) + 1)}",
    ]
    for target, ceiling in found["ceiling"].items():
        each = [found[way][target] for way in directions]
        best = {"accepted": each[0]["true_twins_accepted"], **ceiling}
        for name, wanted in (("accepted", 0.9), ("sign", 0.95), ("size", 0.25)):
            reached = " | ".join(f"{figures[name]:.2f}" for figures in each)
            lines.append(f"| {target} | {name} | {wanted:g} | {reached} | {best[name]:.2f} |")
        for k, name in enumerate(FEATURES):
            reached = " | ".join(
                "{sign:.2f}, {size:.2f}".format(**figures["features"][k]) for figures in each
            )
            lines.append(f"| {target} | {name}: sign, size | | {reached} | |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--plate", choices=("choosing", "reporting"), default="reporting")
    ask.add_argument("--epochs", type=int, default=12)
    ask.add_argument("--flow", default="i-resnet")
    ask.add_argument("--directions", nargs="+", default=["detail", "means", "head"])
    ask.add_argument("--keep", type=Path)
    ask.add_argument("--out", type=Path)
    ask.add_argument("--pictures", type=Path)
    want = ask.parse_args()
    model, plain, found = train(plate("train", want.keep), want.flow, want.epochs)
    judge = Judge(plate("judge", want.keep))
    test, known = (
        (plate(name, want.keep), plate(name, want.keep, twins=True))
        for name in (want.plate, "choosing")
    )
    cells, twins = test
    found |= {
        "plate": want.plate,
        "flow": model.describe(),
        "accuracy": _accuracy(model, cells),
        "plain_accuracy": _accuracy(plain, cells),
        "judge_accuracy": float(
            (judge.says(measure(cells.crops, cells.masks)) == cells.labels).mean()
        ),
        "inverse_error": inverse_error(model, cells.crops[:64]),
    }
    # A forest asked of twins it has seen would be no ceiling.
    ceiling = Ceiling(judge, known, test)
    found["ceiling"] = {
        target: ceiling.reached(target) if want.plate == "reporting" else {"sign": 1, "size": 0}
        for target in model.classes
    }
    for way in want.directions:
        found[way] = {}
        for target in model.classes:
            found[way][target], made = told(model, judge, test, target, way)
            if want.pictures:
                draw(made, twins.of(np.flatnonzero(cells.labels != target)), model, want.pictures)
    if want.out:
        want.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(found, want.directions))


def _accuracy(model: Any, cells: Plate) -> float:
    code = np.array([model.classes.index(name) for name in cells.labels])
    return float((model.logits(cells.crops).argmax(1) == code).mean())


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
