"""Counterfactuals against true twins: accuracy, inverse, validity, feature changes.

python benchmarks/counterfactuals.py [--crops 2400 --test 480 --minutes 4 --flow i-resnet]
    [--direction means --out figures.json --pictures DIR]

A simulated world of cells starved for long (from 6 h, none silent or out of focus), 48 px, three
channels. Three plates of their own: one trains the invertible network and the plain one, one trains
the independent judge (a linear model on the feature table), one is tested, and each of its cells
is shown in its other condition too, with the same noise. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from lucyte.explain.counterfactual import Counterfactuals, counterfactual
from lucyte.explain.counterfactual.changes import change_words, feature_tables, twin_error
from lucyte.explain.counterfactual.measures import plausibility, proximity, validity_finding
from lucyte.learn.feature_predictor import measure_inside
from lucyte.learn.image_learner import ImageLearner, ImageSettings
from lucyte.learn.image_training import TrainingSettings
from lucyte.learn.invertible_learner import InvertibleLearner, InvertibleSettings
from lucyte.learn.invertible_training import InvertibleTraining
from lucyte.networks.invertible_classifier import InvertibleClassifier
from lucyte.schema.plan import MeasureSettings
from lucyte.simulate.crops import Crops, crops
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
PX = 48


def world() -> WorldSettings:
    """Long starved cells, all of them to be seen."""
    demo = demo_settings()
    layout = demo.layout.model_copy(update={"wells_per_condition": 12, "start_h": 6.0})
    cell = demo.cell.model_copy(update={"silent": 0.0, "defocused": 0.0, "expression_sd": 0.5})
    return demo.model_copy(update={"layout": layout, "cell": cell})


def measure(light: npt.NDArray[Any], masks: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """The feature table; nan where a feature is undefined."""
    return measure_inside(light, masks, CHANNELS, MeasureSettings()).select_dtypes("number")


class Judge:
    """An independent linear model on the feature table, trained on a plate of its own."""

    def __init__(self, data: Crops) -> None:
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


def inverse_error(model: InvertibleClassifier, some: npt.NDArray[Any]) -> float:
    """Largest error of the inverse in normalised units."""
    exact = model.seen.prepare(torch.from_numpy(some.astype(np.float64)))
    return float((model.planes_of(model.encode(some)) - exact).abs().max())


def told(
    model: InvertibleClassifier,
    judge: Judge,
    data: tuple[Crops, Crops],
    target: str,
    direction: str,
) -> tuple[dict[str, Any], Counterfactuals]:
    """Figures of all counterfactuals to one class."""
    test, twins = data
    rows = np.flatnonzero(np.array(test.labels) != target)
    masks = test.masks[rows]
    made = counterfactual(model, test.crops[rows], target, "convincing", direction)
    before, after = feature_tables(made, masks, measure)
    taken = judge.says(after) == target
    true = judge.says(measure(twins.crops[rows], masks)) == target
    groups = [test.groups[k] for k in rows]
    truth = twin_error(made, twins.crops[rows], masks, measure, FEATURES)
    real = measure(test.crops, test.masks)[np.array(test.labels) == target]
    near = proximity(made)
    figures = {
        "n": len(rows),
        "wells": len(set(groups)),
        "finding": validity_finding(taken, groups, "well", target).to_json(),
        "accepted": float(taken.mean()),
        "true_twins_accepted": float(true.mean()),
        "model_says_target": float((made.after > 0.5).mean()),
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


def draw(
    made: Counterfactuals, twins: npt.NDArray[Any], model: InvertibleClassifier, at: Path
) -> None:
    """Film strips of six cells with the true twin below each."""
    from PIL import Image

    from lucyte.explain.counterfactual import film_strips
    from lucyte.report.film_strip import film_strip

    strips = film_strips(model, made.originals[:6], made.target, 5)
    for k in range(6):
        both = np.concatenate([strips.images[k], twins[k][None]])
        Image.fromarray(film_strip(both)).save(at / f"{made.target}-{k}.png")


def main() -> None:
    """Run the benchmark."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--crops", type=int, default=2400)
    ask.add_argument("--test", type=int, default=480)
    ask.add_argument("--minutes", type=float, default=4.0)
    ask.add_argument("--flow", default="i-resnet")
    ask.add_argument("--head", default="linear")
    ask.add_argument("--density", type=float, default=0.0)
    ask.add_argument("--direction", default="means")
    ask.add_argument("--without-plain", action="store_true")
    ask.add_argument("--out", type=Path)
    ask.add_argument("--pictures", type=Path)
    want = ask.parse_args()
    here = world()
    train, other, test = (
        crops(here, n, PX, s) for n, s in ((want.crops, 1), (want.crops, 3), (want.test, 2))
    )
    twins = crops(here, want.test, PX, 2, twins=True)
    seconds = 60 * want.minutes
    settings = InvertibleSettings(
        want.flow,
        want.head,
        (2, 2, 2),
        (24, 32, 32),
        training=InvertibleTraining(
            rate=6e-3, last_rate=0.05, density=want.density, budget_s=seconds
        ),
    )
    began = time.perf_counter()
    learner = InvertibleLearner(CHANNELS, settings, told=lambda row: print(row, flush=True))
    model = learner.fit(train.crops, train.labels, train.groups, 0)
    labels = np.array(test.labels)
    found: dict[str, Any] = {
        "flow": model.describe(),
        "direction": want.direction,
        "seconds": round(time.perf_counter() - began, 1),
        "epochs": model.training["epochs"],
        "accuracy": float((model.logits(test.crops).argmax(1) == _code(model, labels)).mean()),
        "inverse_error": inverse_error(model, test.crops[:64]),
    }
    judge = Judge(other)
    found["judge_accuracy"] = float((judge.says(measure(test.crops, test.masks)) == labels).mean())
    if not want.without_plain:
        training = TrainingSettings(epochs=200, bf16=False, budget_s=seconds)
        plain = ImageLearner(CHANNELS, ImageSettings(width=16, training=training)).fit(
            train.crops, train.labels, train.groups, 0
        )
        found["plain_accuracy"] = float(
            (plain.logits(test.crops).argmax(1) == _code(plain, labels)).mean()
        )
    for target in model.classes:
        found[target], made = told(model, judge, (test, twins), target, want.direction)
        if want.pictures:
            want.pictures.mkdir(parents=True, exist_ok=True)
            draw(made, twins.crops[labels != target], model, want.pictures)
    text = json.dumps(found, indent=1)
    print(text)
    if want.out:
        want.out.write_text(text + "\n", encoding="utf-8")


def _code(model: Any, labels: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    return np.array([model.classes.index(name) for name in labels], dtype=np.int64)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
