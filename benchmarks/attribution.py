"""Speed of attribution, as ratios within one run. python benchmarks/attribution.py [--crops 1000]

Grad-CAM of all crops over one forward and backward pass of the same crops (eager torch, both from
raw crops); occlusion, Score-CAM and RISE per evaluation beside captum's Occlusion on the same
network (at one patch at a time, its default, and at the number of patches at once that suits it
best). The small encoder at 64 px, three channels, random weights: answers do not matter here.
Nothing is asserted; two cores, or --threads.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import Occlusion

from lucyte.explain.attribution.explained import bind
from lucyte.explain.attribution.methods import Settings, attribute
from lucyte.networks.fusion import NetworkPlan, build_network
from lucyte.networks.image_classifier import ImageClassifier
from lucyte.networks.image_input import fit_input

Images = npt.NDArray[np.float32]
CHANNELS = ("EGFP", "mRFP", "TL")
PATCH, STRIDE = 8, 8
CLOCK = [time.perf_counter]


def make(encoder: str, form: str, px: int, count: int) -> tuple[ImageClassifier, Images]:
    """A network with random weights, and crops of noise."""
    crops = np.random.default_rng(0).integers(0, 4000, (count, 3, px, px)).astype(np.float32)
    seen = fit_input(crops, np.arange(min(64, count)), CHANNELS)
    torch.manual_seed(0)
    plan = NetworkPlan(form, encoder, CHANNELS, seen.planes_per_channel, px, 2)
    return ImageClassifier(build_network(plan).eval(), plan, seen, ("fed", "starved")), crops


def best(act: Callable[[], object], times: int = 2) -> float:
    """Least seconds of some tries."""
    found = []
    for _ in range(times):
        start = CLOCK[0]()
        act()
        found.append(CLOCK[0]() - start)
    return min(found)


def forward_backward(model: ImageClassifier, crops: Images) -> None:
    """Margins of all crops and their slopes down to the prepared px; the weights ask for none."""
    score = bind(model, "fed", len(crops))
    module = model.module()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    for at in range(0, len(crops), 64):
        rows = np.arange(at, min(at + 64, len(crops)))
        x = model.prepare(crops[rows]).requires_grad_()
        score.of_tensor(module(x), rows).sum().backward()


def captum_ms(model: ImageClassifier, crops: Images) -> dict[int, float]:
    """Milliseconds per evaluation of captum's Occlusion, by patches at once."""
    module, x = model.module(), model.prepare(crops)
    per = model.seen.planes_per_channel
    evaluations = len(crops) * len(CHANNELS) * (crops.shape[-1] // PATCH) ** 2
    out = {}
    for at_once in (1, 16):

        def run(at_once: int = at_once) -> None:
            with torch.inference_mode():
                Occlusion(module).attribute(
                    x,
                    sliding_window_shapes=(per, PATCH, PATCH),
                    strides=(per, STRIDE, STRIDE),
                    target=0,
                    baselines=0,
                    perturbations_per_eval=at_once,
                )

        out[at_once] = best(run) / evaluations * 1e3
    return out


def ours_ms(model: ImageClassifier, crops: Images) -> dict[str, float]:
    """Milliseconds per evaluation of Lucyte's methods that ask, whole calls."""
    squares = (crops.shape[-1] // PATCH) ** 2
    features = sum(
        encoder.features for name, encoder in model.network.named_modules()
        if name.rpartition(".")[2].isdigit() and hasattr(encoder, "features")
        and isinstance(encoder.features, int)
    )  # fmt: skip
    cases = {
        "occlusion": (Settings(patch_px=PATCH, stride_px=STRIDE), len(CHANNELS) * squares),
        "rise": (Settings(samples=64), 64),
        "score_cam": (Settings(), features),
    }
    out = {}
    for method, (settings, evaluations) in cases.items():

        def run(method: str = method, settings: Settings = settings) -> None:
            attribute(model, crops, "fed", method, settings)

        out[method] = best(run) / (len(crops) * evaluations) * 1e3
    return out


def machine() -> str:
    """The processor, as the system names it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads"


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--encoder", default="small")
    ask.add_argument("--form", default="early")
    ask.add_argument("--px", type=int, default=64)
    ask.add_argument("--crops", type=int, default=1000, help="of Grad-CAM")
    ask.add_argument("--asked", type=int, default=32, help="crops of the methods that ask")
    ask.add_argument("--threads", type=int, default=2)
    ask.add_argument("--cpu", action="store_true", help="CPU seconds: for a busy machine")
    given = ask.parse_args()
    CLOCK[0] = time.process_time if given.cpu else time.perf_counter
    torch.set_num_threads(given.threads)
    model, crops = make(given.encoder, given.form, given.px, given.crops)
    print(f"python benchmarks/attribution.py {' '.join(sys.argv[1:])}".rstrip())
    print(
        f"{machine()}, {'CPU' if given.cpu else 'wall'} time; "
        f"{given.encoder}, {given.form}, {given.px} px, {len(CHANNELS)} channels"
    )
    attribute(model, crops[:64], "fed", "grad_cam", Settings(keep_negative=True))
    tries = []
    for _ in range(2):  # by turns, so that a busy machine is busy for both
        keep = Settings(keep_negative=True)
        cam = best(lambda keep=keep: attribute(model, crops, "fed", "grad_cam", keep), 1)
        tries.append((cam, best(lambda: forward_backward(model, crops), 1)))
    cam, both = (min(each) for each in zip(*tries, strict=True))
    print(f"Grad-CAM of {len(crops)} crops: {cam:.2f} s; one forward and backward: {both:.2f} s; "
          f"ratio {cam / both:.2f} (goal: at most 1.5)")  # fmt: skip
    some = crops[: given.asked]
    beside = captum_ms(model, some)
    print("captum Occlusion, ms per evaluation: "
          + ", ".join(f"{at} at once {ms:.3f}" for at, ms in beside.items()))  # fmt: skip
    for engine in ("torch", "openvino", "openvino-bf16"):
        fast = model.with_engine(engine)
        fast.logits(some)  # compiles
        for method, ms in ours_ms(fast, some).items():
            print(f"{engine:14} {method:10} {ms:.4f} ms per evaluation; "
                  f"{beside[1] / ms:.1f} x captum's default, "
                  f"{min(beside.values()) / ms:.1f} x captum's best (goal: 4)")  # fmt: skip


if __name__ == "__main__":
    main()
