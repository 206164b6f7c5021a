"""Spectra against sums of waves; masks that pictures survive; lines against broad texture."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.stats import spectrum
from reference.frequency import block, coefficient, kept

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("height", "width", "patch"), [(8, 8, 2), (7, 9, 3), (8, 6, 1), (12, 12, 4)]
)
def test_blocks_are_those_of_the_definition(height: int, width: int, patch: int) -> None:
    blocks = spectrum.frequency_blocks(height, width, patch)
    names = {}
    for fy in range(height):
        for fx in range(width):
            own = block(fy, fx, patch, height, width)
            assert names.setdefault(own, blocks[fy, fx]) == blocks[fy, fx]
            assert blocks[fy, fx] == blocks[-fy % height, -fx % width]
    assert sorted(names.values()) == list(range(len(names))), "each block has one number"
    assert blocks[0, 0] == 0


def test_keeping_frequencies_is_a_sum_of_waves() -> None:
    image = RNG.normal(size=(6, 7))
    blocks = spectrum.frequency_blocks(6, 7, 2)
    for number in range(int(blocks.max()) + 1):
        slow = kept(image.tolist(), lambda fy, fx, n=number: blocks[fy, fx] == n)
        fast = spectrum.keep(image, blocks == number)
        assert fast == pytest.approx(np.array(slow), abs=1e-9)
    whole = sum(spectrum.keep(image, blocks == n) for n in range(int(blocks.max()) + 1))
    assert whole == pytest.approx(image, abs=1e-9)


@pytest.mark.parametrize("shape", [(6, 7), (7, 6), (8, 8), (5, 5)])
def test_one_spectrum_serves_many_masks(shape: tuple[int, int]) -> None:
    images = RNG.normal(50, 9, (2, 3, *shape))
    blocks = spectrum.frequency_blocks(*shape, 2)
    at_hand = spectrum.half_spectrum(images)
    for number in range(int(blocks.max()) + 1):
        slow = np.fft.ifft2(np.fft.fft2(images) * (blocks == number)).real
        assert spectrum.keep_of(at_hand, blocks == number) == pytest.approx(slow, abs=1e-9)
    with pytest.raises(UsageError, match="of other pictures"):
        spectrum.keep_of(at_hand, np.ones((9, 9), dtype=bool))


def test_a_level_is_given_to_every_channel() -> None:
    images = RNG.normal(100, 5, (3, 2, 8, 8))
    level = np.array([[40.0, 60.0]])
    found = spectrum.keep(images, spectrum.band(8, 8, 0.2, 1), level)
    assert found.mean(axis=(2, 3)) == pytest.approx(np.repeat(level, 3, axis=0))
    with pytest.raises(UsageError, match=r"the mask is \(4, 4\), the pictures \(8, 8\)"):
        spectrum.keep(images, np.ones((4, 4), dtype=bool))


def test_amplitudes_are_exchanged_and_phases_stay() -> None:
    image, donor = RNG.normal(size=(2, 6, 6))
    blocks = spectrum.frequency_blocks(6, 6, 1)
    mask = np.isin(blocks, [3, 5])
    found = spectrum.exchange_amplitude(image, donor, mask)
    for fy in range(6):
        for fx in range(6):
            own, new, other = (coefficient(x.tolist(), fy, fx) for x in (image, found, donor))
            assert abs(new) == pytest.approx(abs(other if mask[fy, fx] else own), abs=1e-9)
            if abs(new) > 1e-9 and abs(own) > 1e-9:
                assert new / abs(new) == pytest.approx(own / abs(own), abs=1e-6)


def test_a_wave_is_a_line_and_texture_is_not() -> None:
    y, x = np.mgrid[:32, :32]
    noise = RNG.normal(0, 1, (60, 32, 32))
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((spectrum.radius(32, 32) / 0.1) ** 2))).real
    wave = 0.3 * np.cos(2 * np.pi * (7 * y + 7 * x) / 32)

    def peak(images: np.ndarray) -> tuple[float, tuple[int, ...]]:
        excess = spectrum.line_excess(spectrum.log_power(images), 3 / 32).mean(axis=0)
        at = np.unravel_index(excess.argmax(), excess.shape)
        return float(excess.max()), tuple(int(k) for k in at)

    fine, coarse = peak(noise), peak(20 * smooth + 0.02 * noise)
    planted = peak(noise + wave)
    assert fine[0] < 1
    assert coarse[0] < 1, "texture of any fineness has no direction"
    assert planted[0] > 2
    assert planted[1] in {(7, 7), (25, 25)}


def test_matched_blocks_are_as_far_and_as_many() -> None:
    blocks = spectrum.frequency_blocks(32, 32, 4)
    chosen = np.array([0, 3, 9, 20])
    far = np.array([spectrum.radius(32, 32)[blocks == n].mean() for n in range(blocks.max() + 1)])
    drawn = [spectrum.matched_blocks(chosen, blocks, np.random.default_rng(k)) for k in range(30)]
    assert {len(set(each.tolist())) for each in drawn} == {4}
    for each in drawn:
        assert sorted(far[each]) == pytest.approx(sorted(far[chosen]), abs=0.13)
    assert len({tuple(sorted(each.tolist())) for each in drawn}) > 5


def test_ranked_amplitudes_count_the_weaker_classes() -> None:
    told = spectrum.compare_amplitudes(
        {"a": np.array([1.0, 5.0]), "b": np.array([2.0, 5.0]), "c": np.array([3.0, 0.0])}
    )
    assert {name: each.tolist() for name, each in told.items()} == {
        "a": [-2, 1],
        "b": [0, 1],
        "c": [2, -2],
    }


def test_blocks_larger_than_the_picture_are_refused() -> None:
    with pytest.raises(UsageError, match=r"blocks of 9 frequencies: write 1 to 8\."):
        spectrum.frequency_blocks(8, 8, 9)
