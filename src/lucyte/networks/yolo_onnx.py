"""A YOLO detector of one's own: its ONNX file, read and run by OpenVINO."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lucyte.networks.yolo_output import Candidates, Form, decode, recognise
from lucyte.schema.errors import InputError, UsageError

Precision = Literal["f32", "bf16"]
_KEYS = ("names", "imgsz", "task", "end2end", "stride")
_LONGEST = 200_000
_ADVICE = "Export a detector, for example: yolo export model=best.pt format=onnx."


@dataclass(frozen=True)
class YoloModel:
    """A detector that was read and is ready to run.

    Attributes
    ----------
    names : tuple of str
        Classes by number; numbers where the file names none, empty where it does not tell.
    input_px : (height, width)
        Pictures are brought to this size, px.
    form : {"v5", "v8", "end2end", "v7-end2end"}
        How the network answers.
    colours : int
        Planes of a picture: 3, or 1 for a network on grey.
    path : str
    sha256 : str
        Of the file, for the record.
    precision : {"f32", "bf16"}
        Asked of the engine.
    """

    names: tuple[str, ...]
    input_px: tuple[int, int]
    form: Form
    colours: int
    path: str
    sha256: str
    precision: Precision
    _compiled: Any = field(repr=False, compare=False)
    _port: int = field(repr=False, compare=False)
    _dtype: Any = field(repr=False, compare=False)

    def propose(self, picture: npt.NDArray[np.uint8]) -> Candidates:
        """Every place the network proposes, in px of its input.

        Parameters
        ----------
        picture : uint8 array, Y X C
            Of exactly ``input_px``; colours in the order red, green, blue.
        """
        wanted = (*self.input_px, self.colours)
        if picture.shape != wanted or picture.dtype != np.uint8:
            raise UsageError(
                f"the network takes uint8 {wanted}, got {picture.dtype} {picture.shape}."
            )
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32) / 255
        output = self._compiled(planes.astype(self._dtype))[self._port]
        return decode(np.asarray(output), self.form)

    def class_name(self, number: int) -> str:
        """The class of a number; the number itself where the file has no name for it."""
        return self.names[number] if 0 <= number < len(self.names) else str(number)


def read_yolo(
    path: str | Path,
    *,
    input_px: int | tuple[int, int] | None = None,
    precision: Precision = "f32",
    threads: int | None = None,
) -> YoloModel:
    """Read a detector of the YOLO family (v5 to v11, v10 and exports with nms included).

    Parameters
    ----------
    path : path
        An ONNX file. What its metadata says (names, imgsz, task) is read as plain data.
    input_px : int or (height, width), optional
        For a file whose input size is not fixed; a fixed one is not changed.
    precision : {"f32", "bf16"}
        bf16 is faster where the processor has it, and its scores differ slightly.
    threads : int, optional
        Of the processor; all by default.

    Returns
    -------
    YoloModel

    Raises
    ------
    InputError
        No such file, no ONNX network, not a detector of boxes (a segmentation or pose network, an
        output of unknown shape), an input without a size.
    UsageError
        An input size other than the file's fixed one.

    References
    ----------
    Redmon et al. 2016, doi 10.1109/CVPR.2016.91.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(file, "no such file.", "Give a detector in the form best.onnx.")
    core, network = _read_network(file)
    told = _metadata(network)
    task = told.get("task", "detect")
    if task != "detect":
        raise InputError(file, f"is a network for the task {task!r}; boxes need 'detect'.", _ADVICE)
    names = _names(file, told.get("names"))
    size, colours = _fix_input(file, network, told, input_px)
    port = _boxes_port(file, network)
    shape = [each.get_length() if each.is_static else None for each in _dims(network, port)]
    final = str(told.get("end2end", "")).lower() == "true"
    try:
        form, classes = recognise(shape, size, None if names is None else len(names), final)
    except UsageError as error:
        raise InputError(file, str(error)) from None
    if names is None:
        names = tuple(str(number) for number in range(classes or 0))
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    return YoloModel(
        names=names,
        input_px=size,
        form=form,
        colours=colours,
        path=str(file),
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        precision=precision,
        _compiled=core.compile_model(network, "CPU", settings),
        _port=port,
        _dtype=network.input(0).get_element_type().to_dtype(),
    )


def _read_network(file: Path) -> tuple[Any, Any]:
    import openvino
    from openvino import frontend

    if file.suffix.lower() != ".onnx":
        raise InputError(file, "is not an .onnx file.", _ADVICE)
    # The ONNX reader itself, because Core.read_model tries every other format on a damaged file.
    reader = frontend.FrontEndManager().load_by_framework("onnx")
    failures = (frontend.GeneralFailure, frontend.OpConversionFailure, frontend.OpValidationFailure)
    try:
        return openvino.Core(), reader.convert(reader.load(str(file)))
    except (RuntimeError, *failures) as error:
        reason = " ".join(str(error).split())[-200:]
        raise InputError(
            file, f"is not an ONNX network that can be read (... {reason}).", "Export it again."
        ) from None


def _metadata(network: Any) -> dict[str, str]:
    """``metadata_props`` of the file, which OpenVINO keeps under ``framework``."""
    return {
        key: str(network.get_rt_info(["framework", key]).value)
        for key in _KEYS
        if network.has_rt_info(["framework", key])
    }


def _names(file: Path, text: str | None) -> tuple[str, ...] | None:
    """``{0: 'cell', 1: ...}`` or a list, as data: nothing in it is run."""
    if text is None:
        return None
    value = _literal(text)
    if isinstance(value, Mapping):
        value = [value.get(number) for number in range(len(value))]
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise InputError(
            file,
            f"its metadata 'names' must be a list or a numbered dict of names, got {text[:80]!r}.",
        )
    return tuple(value)


def _literal(text: str) -> Any:
    if len(text) > _LONGEST:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _dims(network: Any, port: int) -> list[Any]:
    shape = network.output(port).get_partial_shape()
    if shape.rank.is_dynamic:
        return []
    return [shape[at] for at in range(shape.rank.get_length())]


def _fix_input(
    file: Path, network: Any, told: Mapping[str, str], asked: int | tuple[int, int] | None
) -> tuple[tuple[int, int], int]:
    """Make the input one picture of fixed size; its size and number of colours."""
    if len(network.inputs) != 1:
        raise InputError(file, f"has {len(network.inputs)} inputs; a detector has one.", _ADVICE)
    shape = network.input(0).get_partial_shape()
    if shape.rank.is_dynamic or shape.rank.get_length() != 4:
        raise InputError(file, f"its input is {shape}; a detector takes (1, 3, height, width).")
    kind = network.input(0).get_element_type().get_type_name()
    if kind not in ("f32", "f16"):
        raise InputError(file, f"its input holds {kind}; float32 or float16 is needed.", _ADVICE)
    planes = shape[1].get_length() if shape[1].is_static else 3
    if planes not in (1, 3):
        raise InputError(
            file, f"its input is {shape}: {planes} colours; 3 (RGB) or 1 (grey) are known."
        )
    fixed: list[Any] = [shape[at].get_length() if shape[at].is_static else None for at in (2, 3)]
    wanted = (asked, asked) if isinstance(asked, int) else asked
    known = None if None in fixed else (int(fixed[0]), int(fixed[1]))
    size = known or wanted or _stated_size(file, told)
    if wanted is not None and size != tuple(wanted):
        raise UsageError(
            f"{file}: its input is fixed to {size[0]} x {size[1]} px, got input_px={asked}. "
            "Leave it out, or export the network with dynamic=True."
        )
    try:
        network.reshape([1, planes, *size])
    except RuntimeError:
        raise InputError(
            file,
            f"its input {shape} cannot become one picture of {size} px.",
            "Export it with batch=1.",
        ) from None
    return size, planes


def _stated_size(file: Path, told: Mapping[str, str]) -> tuple[int, int]:
    value = _literal(told.get("imgsz", ""))
    if isinstance(value, int):
        value = [value, value]
    whole = isinstance(value, list | tuple) and len(value) == 2
    if not whole or not all(isinstance(each, int) and each > 0 for each in value):
        raise InputError(
            file,
            "has an input of any size and does not say which it was trained with.",
            "Give input_px, for example 1024.",
        )
    return value[0], value[1]


def _boxes_port(file: Path, network: Any) -> int:
    """Which output holds the boxes: the only one, or the only one beside raw anchor grids."""
    ranks = [len(_dims(network, port)) for port in range(len(network.outputs))]
    flat = [port for port, rank in enumerate(ranks) if rank != 5]
    if len(ranks) == 1:
        return 0
    if len(flat) == 1:
        return flat[0]
    shapes = ", ".join(str(each.get_partial_shape()) for each in network.outputs)
    raise InputError(
        file,
        f"has {len(ranks)} outputs {shapes}; a detector of boxes has one. "
        "Networks for outlines (segmentation) have two.",
        _ADVICE,
    )
