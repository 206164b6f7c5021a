"""Frequencies said slowly: sums of cosines, one frequency at a time."""

from __future__ import annotations

import cmath
import math


def coefficient(image, fy, fx):
    """Fourier coefficient at whole frequencies (cycles per picture), by its definition."""
    height, width = len(image), len(image[0])
    return sum(
        image[y][x] * cmath.exp(-2j * math.pi * (fy * y / height + fx * x / width))
        for y in range(height)
        for x in range(width)
    )


def signed(k, count):
    """Frequency number of place k: 0, 1 ... and the negative ones from the end."""
    return k if k < (count + 1) // 2 else k - count


def block(fy, fx, patch, height, width):
    """Names of the block of a frequency and of its mirror; the block is the same for both."""

    def place(f, count):
        f = signed(f % count, count)
        step = (abs(f) + patch // 2) // patch
        return step if f >= 0 else -step

    return frozenset(
        {(place(fy, height), place(fx, width)), (place(-fy, height), place(-fx, width))}
    )


def kept(image, wanted):
    """The picture as the sum of the waves for which ``wanted(fy, fx)`` holds; the real part."""
    height, width = len(image), len(image[0])
    waves = {
        (fy, fx): coefficient(image, fy, fx)
        for fy in range(height)
        for fx in range(width)
        if wanted(fy, fx)
    }
    return [
        [
            sum(
                (c * cmath.exp(2j * math.pi * (fy * y / height + fx * x / width))).real
                for (fy, fx), c in waves.items()
            )
            / (height * width)
            for x in range(width)
        ]
        for y in range(height)
    ]


def cross_entropy(logits, own):
    """Of one row."""
    top = max(logits)
    return math.log(sum(math.exp(v - top) for v in logits)) + top - logits[own]


def map_rise(images, own, answer, patch):
    """Rise of the mean cross-entropy when a block is taken from every channel, per block.

    images: N x C x Y x X lists; answer: a list of channels to logits.
    """
    height, width = len(images[0][0]), len(images[0][0][0])
    names = {block(fy, fx, patch, height, width) for fy in range(height) for fx in range(width)}
    before = sum(cross_entropy(answer(x), k) for x, k in zip(images, own, strict=True))
    rise = {}
    for name in names:

        def stays(fy, fx, gone=name):
            return block(fy, fx, patch, height, width) != gone

        after = sum(
            cross_entropy(answer([kept(channel, stays) for channel in x]), k)
            for x, k in zip(images, own, strict=True)
        )
        rise[name] = (after - before) / len(images)
    return rise
