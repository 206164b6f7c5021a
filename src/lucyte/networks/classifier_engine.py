"""Running an image classifier: eager torch, or OpenVINO on the CPU in f32 or bf16."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from lucyte.networks.engine import Answer, Floats, choose_engine

BATCH = 64
"""Crops at once; more does not help two cores, less does not fill them."""


def start_classifier(
    network: nn.Module,
    planes: int,
    px: int,
    engine: str = "torch",
    device: str = "auto",
    threads: int | None = None,
) -> Answer:
    """A function from prepared pictures to logits.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    planes, px : int
        Of the prepared pictures.
    engine : {"torch", "openvino", "openvino-bf16", "auto"}
    device : {"auto", "cpu", "cuda"}
    threads : int, optional

    Returns
    -------
    callable
        float32 ``N planes px px`` to float32 ``N K``.

    Raises
    ------
    UsageError
        An engine or device that is unknown or not there.
    """
    name, where = choose_engine(engine, device)
    if name == "torch":
        return _torch(network, where)
    return _openvino(network, planes, px, "bf16" if name == "openvino-bf16" else "f32", threads)


def _torch(network: nn.Module, device: str) -> Answer:
    there: Any = network.to(device).eval()

    def answer(batch: Floats) -> Floats:
        with torch.inference_mode():
            found = there(torch.from_numpy(batch).to(device))
        return np.asarray(found.float().cpu().numpy(), np.float32)

    return answer


def _openvino(
    network: nn.Module, planes: int, px: int, precision: str, threads: int | None
) -> Answer:
    import openvino as ov

    with torch.no_grad():
        example = torch.zeros(2, planes, px, px)
        model = ov.convert_model(network.cpu().eval(), example_input=example)
    model.reshape([-1, planes, px, px])
    # A few crops at a time on every core beat one batch spread over the cores.
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "THROUGHPUT",
    }
    if threads:
        settings |= {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}
    compiled = ov.Core().compile_model(model, "CPU", settings)
    queue = ov.AsyncInferQueue(compiled)
    chunk = BATCH

    def answer(batch: Floats) -> Floats:
        found: dict[int, Floats] = {}

        def keep(request: Any, at: int) -> None:
            found[at] = np.array(request.get_output_tensor(0).data, np.float32)

        queue.set_callback(keep)
        for at in range(0, len(batch), chunk):
            queue.start_async({0: np.ascontiguousarray(batch[at : at + chunk])}, at)
        queue.wait_all()
        return np.concatenate([found[at] for at in sorted(found)])

    return answer
