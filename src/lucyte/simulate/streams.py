"""Random streams by purpose: what one stream draws never moves what another draws."""

from __future__ import annotations

import zlib

import numpy as np


def words(*keys: int | str) -> list[int]:
    """Whole numbers for a seed sequence; names become their CRC-32."""
    return [zlib.crc32(key.encode()) if isinstance(key, str) else int(key) for key in keys]


def stream(seed: int, *keys: int | str) -> np.random.Generator:
    """The generator of one purpose.

    Parameters
    ----------
    seed : int
        The world's seed.
    *keys : int or str
        The purpose, e.g. ``("spots", field, cell)``. Equal keys, equal draws; what is drawn
        under other keys, before or after, makes no difference.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words(seed, *keys))))


def noise_key(seed: int, *keys: int | str) -> np.uint64:
    """The 64-bit key of a field of per-pixel noise."""
    state = np.random.SeedSequence(words(seed, *keys)).generate_state(1, np.uint64)
    return np.uint64(state[0])
