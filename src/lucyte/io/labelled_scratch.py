"""Large arrays in a temporary file that goes when nothing uses it."""

from __future__ import annotations

import math
import os
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import LucyteError


def scratch_array(
    shape: tuple[int, ...], dtype: npt.DTypeLike, most_gb: float = 1.0
) -> npt.NDArray[Any]:
    """An array of zeros, in memory up to ``most_gb``, else mapped to a nameless temporary file.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy dtype
    most_gb : float
        GB of 2**30 bytes.

    Raises
    ------
    LucyteError
        The temporary folder is full.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= most_gb * 2**30:
        return np.zeros(shape, dtype)
    try:
        with tempfile.TemporaryFile(prefix="lucyte-") as file:
            # Real blocks, because a write to a full disk through a map ends the process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
    except OSError as error:
        raise LucyteError(
            f"{tempfile.gettempdir()}: {size / 2**30:.1f} GB of pictures do not fit there "
            f"({error.strerror or error}); set TMPDIR to a folder with more space."
        ) from None
