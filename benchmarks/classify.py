"""Classifiers of images: accuracy on mitocheck, and crops per second of the engines.

python benchmarks/classify.py mitocheck [--epochs 60] [--out figures.json] [--checkpoints DIR]
python benchmarks/classify.py engines [--encoder small --px 64 --crops 2048]

mitocheck: 2,264 nuclei of 16 phenotypes from ../shared/data (or LUCYTE_DATA), five folds of whole
positions (plate + position), every nucleus answered by a network that never saw its position.
Beside it, on the same folds: extremely randomised trees on Lucyte's features of the nucleus at the
centre (Otsu's threshold) and of the whole crop, and the position's own commonest class. Nothing
is asserted. A run that was stopped goes on with the same --checkpoints.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from lucyte.learn.cross_validation import METRICS, CrossValidation, cross_validate
from lucyte.learn.fusion_comparison import paired_difference
from lucyte.learn.image_learner import ImageLearner, ImageSettings
from lucyte.learn.image_training import TrainingSettings
from lucyte.networks.classifier_engine import start_classifier
from lucyte.networks.fusion import NetworkPlan, build_network, count_parameters
from lucyte.schema.plan import MeasureSettings
from lucyte.schema.samples import Samples

GROUP = re.compile(r"(PLLT\d+_\d+.*?___P\d+)")
GOALS = {"macro_f1": 0.60, "balanced_accuracy": 0.62, "mcc": 0.68, "accuracy": 0.72}
CHANNEL = "H2B"


def read_mitocheck() -> Samples:
    """All nuclei; the group is plate and position."""
    root = Path(os.environ.get("LUCYTE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    images, names, labels, groups = [], [], [], []
    for path in sorted((root / "mitocheck").glob("*/*.png")):
        images.append(np.asarray(Image.open(path)))
        names.append(f"{path.parent.name}/{path.name}")
        labels.append(path.parent.name)
        found = GROUP.search(path.name)
        groups.append(found.group(1) if found else path.name)
    return Samples(
        np.stack(images)[:, None],
        (CHANNEL,),
        tuple(names),
        tuple(labels),
        tuple(groups),
        unit="position",
    )


@dataclass(frozen=True)
class Trees:
    """Extremely randomised trees on features. A Learner and, fitted, a Predictor."""

    trees: int = 500
    threads: int = 1

    def fit(self, samples: Any, labels: Any, groups: Any, seed: int) -> FittedTrees:
        """Fit on raw crops."""
        from sklearn.ensemble import ExtraTreesClassifier

        model = ExtraTreesClassifier(
            self.trees, class_weight="balanced", random_state=seed, n_jobs=self.threads
        )
        model.fit(features(samples), list(labels))
        return FittedTrees(model, tuple(str(name) for name in model.classes_))


@dataclass(frozen=True)
class FittedTrees:
    """Trees as a Predictor: logits are logs of their shares."""

    model: Any
    classes: tuple[str, ...]
    channels: tuple[str, ...] = (CHANNEL,)
    pixel_size_um: float | None = None
    input_px: int = 64

    def logits(self, crops: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Crops to logits."""
        return np.log(np.clip(self.model.predict_proba(features(crops)), 1e-6, None))


def features(crops: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Lucyte's features of the centre nucleus and of the whole crop; 0 where undefined."""
    from lucyte.learn.crop_statistics import crop_statistics
    from lucyte.measure.mosaic import measure_crops

    inside = measure_crops(crops, centre_masks(crops), [CHANNEL], MeasureSettings())
    whole = crop_statistics(crops, [CHANNEL])
    both = np.hstack([inside.to_numpy(np.float64), whole.to_numpy(np.float64)])
    return np.nan_to_num(both, nan=0.0, posinf=0.0, neginf=0.0)


def centre_masks(crops: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """The part above Otsu's threshold that is nearest to the centre."""
    from scipy.ndimage import distance_transform_edt, label
    from skimage.filters import threshold_otsu

    out = np.zeros((len(crops), *crops.shape[2:]), np.bool_)
    middle = tuple(side // 2 for side in crops.shape[2:])
    for k, crop in enumerate(crops[:, 0]):
        bright = crop > threshold_otsu(crop) if np.ptp(crop) else np.ones(crop.shape, np.bool_)
        parts = label(bright)[0]
        nearest = distance_transform_edt(~bright, return_distances=False, return_indices=True)
        out[k] = parts == parts[tuple(axis[middle] for axis in nearest)]
    return out


def settings(arguments: argparse.Namespace) -> ImageSettings:
    """What the figure is made with: set by hand after one run judged on inner validation groups."""
    training = TrainingSettings(
        epochs=arguments.epochs,
        batch=arguments.batch,
        rate=arguments.rate,
        average=0.99,
        last_rate=arguments.last_rate,
    )
    return ImageSettings(turns=8, validation=arguments.validation, training=training)


def mitocheck(arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of network and trees on the same folds, and their paired differences."""
    samples = read_mitocheck()
    chosen = settings(arguments)
    print(f"{len(samples)} nuclei, {len(set(samples.groups))} positions, {chosen}", flush=True)
    began = time.perf_counter()

    def learner(fold: int) -> ImageLearner:
        folder = arguments.checkpoints and arguments.checkpoints / f"fold{fold}"

        def told(name: str, row: Any) -> None:
            if row["epoch"] % 5 == 0:
                print(f"fold {fold}", {k: round(float(v), 4) for k, v in row.items()}, flush=True)

        return ImageLearner((CHANNEL,), chosen, folder=folder, told=told)

    network = cross_validate(
        samples, learner, 5, arguments.seed, told=lambda line: print(line, flush=True)
    )
    seconds = time.perf_counter() - began
    trees = cross_validate(samples, lambda _: Trees(), 5, arguments.seed)
    out: dict[str, Any] = {"seconds": seconds, "network": report("network", network)}
    out["extra trees"] = report("extra trees", trees)
    print("position's commonest class, position known:", position_alone(samples))
    for metric in METRICS:
        gain = paired_difference(network, trees, metric)
        out[f"difference {metric}"] = [gain.estimate, gain.low, gain.high, gain.n]
        print(
            f"network - trees, {metric}: {gain.estimate:+.3f} ({gain.low:+.3f} to "
            f"{gain.high:+.3f}, {gain.n} positions, {gain.method})"
        )
    print(f"network: {seconds:.0f} s for five folds")
    return out


def report(name: str, result: CrossValidation) -> dict[str, Any]:
    """Print and return the four metrics, pooled and per fold."""
    out: dict[str, Any] = {}
    for metric, measure in METRICS.items():
        pooled = result.interval(metric)
        folds = [measure(result.table(result.rows(k))) for k in range(result.folds)]
        goal = GOALS[metric]
        verdict = "reached" if pooled.estimate >= goal else "NOT reached"
        print(
            f"{name:12} {metric:18} {pooled.estimate:.3f} ({pooled.low:.3f} to "
            f"{pooled.high:.3f}; n = {pooled.n} positions) goal {goal}: {verdict}; folds "
            + " ".join(f"{value:.3f}" for value in folds),
            flush=True,
        )
        out[metric] = {
            "pooled": pooled.estimate,
            "low": pooled.low,
            "high": pooled.high,
            "folds": folds,
        }
    scores = result.scores()
    out["ece"], out["log_loss"] = scores["ece"].value, scores["log_loss"].value
    out["f1"] = {c: scores[f"f1:{c}"].value for c in result.classes}
    return out


def position_alone(samples: Samples) -> float:
    """Accuracy of naming each position's commonest class."""
    groups, labels = np.asarray(samples.groups), np.asarray(samples.labels)
    right = [np.unique(labels[groups == g], return_counts=True)[1].max() for g in set(groups)]
    return float(np.sum(right) / len(labels))


def engines(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Crops per second of eager torch (f32) and of OpenVINO in f32 and bf16, one after another."""
    plan = NetworkPlan("early", arguments.encoder, (CHANNEL,), 2, arguments.px, 16)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(plan).eval()
    print(
        f"{arguments.encoder} at {arguments.px} px, {count_parameters(network):,} parameters, "
        f"{torch.get_num_threads()} threads of torch, load {os.getloadavg()[0]:.1f}"
    )
    shape = (arguments.crops, 2, arguments.px, arguments.px)
    crops = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    rows: list[dict[str, Any]] = []
    eager = None
    answers = {
        e: start_classifier(network, 2, arguments.px, e, "cpu")
        for e in ("torch", "openvino", "openvino-bf16")
    }
    best = dict.fromkeys(answers, float("inf"))
    told: dict[str, Any] = {}
    for _ in range(arguments.repeats):  # in turn, so that other work hits all alike
        for engine, answer in answers.items():
            answer(crops[:64])
            began = time.perf_counter()
            told[engine] = np.concatenate(
                [answer(crops[at : at + 512]) for at in range(0, len(crops), 512)]
            )
            best[engine] = min(best[engine], time.perf_counter() - began)
    for engine in answers:
        eager = told["torch"]
        same = float((told[engine].argmax(1) == eager.argmax(1)).mean())
        rows.append(
            {
                "engine": engine,
                "crops_per_s": len(crops) / best[engine],
                "times_eager": best["torch"] / best[engine],
                "largest_gap": float(np.abs(told[engine] - eager).max()),
                "same_answer": same,
            }
        )
        print({k: round(v, 4) if isinstance(v, float) else v for k, v in rows[-1].items()})
    return rows


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["mitocheck", "engines"])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--validation", type=float, default=0.2)
    parser.add_argument("--last-rate", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", default="small")
    parser.add_argument("--px", type=int, default=64)
    parser.add_argument("--crops", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--checkpoints", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found: Any = mitocheck(arguments) if arguments.what == "mitocheck" else engines(arguments)
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1, default=float), encoding="utf-8")


if __name__ == "__main__":
    main()
