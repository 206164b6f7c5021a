r"""CELLULAR's merged JPEG back to its named channels.

The pictures of the CELLULAR data set (doi 10.1038/s41597-023-02687-x) show green, red and the
grey of the transmitted light added to all three:

.. math:: R = mRFP + TL, \quad G = EGFP + TL, \quad B = TL

so the channels come back by subtraction. What was clipped at 255 before the picture was saved,
and the colour detail that JPEG dropped, do not come back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

CHANNELS = ("EGFP", "mRFP", "TL")
FLAGS = ("display-referred", "lossy", "clipped")


def decode(rgb: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Named channels of a merged picture.

    Parameters
    ----------
    rgb : uint8 array, Y X 3
        Red, green, blue as displayed (0 to 255).

    Returns
    -------
    uint8 array, 3 Y X
        EGFP = G - B and mRFP = R - B, not below 0 (JPEG noise crosses it), and TL = B; in
        display units. A pixel with R or G of 255 gives a lower bound.

    Raises
    ------
    UsageError
        Not three 8-bit colours.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise UsageError(
            f"layout cellular-merged needs 8-bit RGB pictures, got {rgb.dtype} {rgb.shape}; "
            "raw channels have the layout cellular."
        )
    red, green, blue = (np.ascontiguousarray(rgb[..., i]) for i in range(3))
    return np.stack([np.maximum(green, blue) - blue, np.maximum(red, blue) - blue, blue])
