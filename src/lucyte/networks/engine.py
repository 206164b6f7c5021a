"""Running a dense network: torch is the reference and the GPU, OpenVINO the fast way on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown

if TYPE_CHECKING:
    from lucyte.networks.unet_plus_plus import UNetPlusPlus

EngineName = Literal["auto", "torch", "openvino", "openvino-bf16"]
ENGINES: tuple[str, ...] = get_args(EngineName)
Floats = npt.NDArray[np.float32]
Answer = Callable[[Floats], Floats]
"""float32 N C H W in, float32 N K h w out."""


def choose_engine(name: str, device: str = "auto") -> tuple[str, str]:
    """The engine and device that will run.

    Parameters
    ----------
    name : str
        One of :data:`ENGINES`. ``auto`` is torch on a GPU, otherwise OpenVINO in f32.
    device : {"auto", "cpu", "cuda"}

    Raises
    ------
    UsageError
        Unknown names, a GPU that is not there, OpenVINO asked for on a GPU.
    """
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    if device not in ("auto", "cpu", "cuda"):
        raise unknown("device", device, ("auto", "cpu", "cuda"))
    if device != "cpu" and (device == "cuda" or name in ("auto", "torch")):
        import torch

        if torch.cuda.is_available():
            if name.startswith("openvino"):
                raise UsageError(
                    f"engine {name} runs on the CPU; use --device cpu or --engine torch."
                )
            return "torch", "cuda"
        if device == "cuda":
            raise UsageError("--device cuda: torch sees no GPU here. Use --device cpu or auto.")
    return ("openvino" if name == "auto" else name), "cpu"


def start_engine(
    network: UNetPlusPlus, name: str, device: str, threads: int | None = None
) -> Answer:
    """A function from a batch to the network's answer.

    Parameters
    ----------
    network : UNetPlusPlus
        With its weights, in evaluation mode.
    name, device : str
        As :func:`choose_engine` gives them.
    threads : int or None
        CPU threads; None leaves the choice to the engine.
    """
    if name == "torch":
        return _torch(network, device, threads)
    return _openvino(network, "bf16" if name == "openvino-bf16" else "f32", threads)


def _torch(network: UNetPlusPlus, device: str, threads: int | None) -> Answer:
    import torch

    if threads:
        torch.set_num_threads(threads)
    there: Any = network.to(device)
    own = there.to(memory_format=torch.channels_last)

    def answer(batch: Floats) -> Floats:
        with torch.inference_mode():
            seen = torch.from_numpy(np.ascontiguousarray(batch)).to(device)
            found: Any = own(seen.contiguous(memory_format=torch.channels_last))
            found = found.float().cpu().numpy()
        return np.asarray(found, np.float32)

    return answer


def _openvino(network: UNetPlusPlus, precision: str, threads: int | None) -> Answer:
    import openvino as ov
    import torch

    side = network.multiple * 2
    seen = next(iter(network.parameters())).shape[1] // network.stride**2
    with torch.no_grad():
        example = torch.zeros(1, seen, side, side)
        model = ov.convert_model(network.cpu(), example_input=example)
    model.reshape([-1, seen, -1, -1])
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = ov.Core().compile_model(model, "CPU", settings)

    def answer(batch: Floats) -> Floats:
        return np.array(compiled(np.ascontiguousarray(batch))[0], np.float32)

    return answer
