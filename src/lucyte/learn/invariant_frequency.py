"""A Learner whose training crops say nothing of the class at chosen frequencies.

The amplitude there is taken from a crop drawn from all classes alike; phase and all other
frequencies stay. After the augmentation that keeps other classes' dominant frequencies (DFM-X).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.learn.logistic import balanced_weights
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import Learner, Predictor
from lucyte.stats.spectrum import Mask, exchange_amplitude


@dataclass(frozen=True)
class FrequencyMixing:
    """Learns with another Learner from crops whose band is mixed between classes. A `Learner`.

    Attributes
    ----------
    learner : Learner
    mask : bool array C Y X
        Symmetric: frequencies that are mixed; C as in the samples.
    copies : int
        Times each crop is shown, each with the band of another crop.
    """

    learner: Learner
    mask: Mask
    copies: int = 2

    def fit(
        self, samples: npt.NDArray[Any], labels: Sequence[str], groups: Sequence[str], seed: int
    ) -> Predictor:
        """Fit on mixed crops ``N C Y X`` in raw units.

        Raises
        ------
        UsageError
            A mask of another form than the crops.
        """
        if self.mask.shape != samples.shape[1:]:
            raise UsageError(
                f"the mask of frequencies is {self.mask.shape}, crops are {samples.shape[1:]}."
            )
        rng = np.random.default_rng(seed)
        weight = balanced_weights(labels, groups)
        mixed = []
        for _ in range(self.copies):
            donors = rng.choice(len(samples), len(samples), p=weight / weight.sum())
            mixed.append(exchange_amplitude(samples, samples[donors], self.mask))
        return self.learner.fit(
            np.concatenate(mixed).astype(np.float32),
            list(labels) * self.copies,
            list(groups) * self.copies,
            seed,
        )
