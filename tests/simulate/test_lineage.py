"""World ``lineage``: the truth agrees with itself, and its rates and inheritance are as set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lucyte.io.truth import read_ctc_truth
from lucyte.schema.errors import InputError, UsageError
from lucyte.simulate.lineage import LineageWorld, simulate_lineage
from lucyte.simulate.lineage_life import Body
from lucyte.simulate.lineage_settings import LineageSettings, Rates, tiny_lineage
from lucyte.simulate.lineage_states import state_paths
from lucyte.simulate.lineage_write import write_lineage
from lucyte.simulate.worlds import simulate


@pytest.fixture(scope="module")
def world() -> LineageWorld:
    """Two wells of each condition, twelve frames of which one was not taken."""
    return simulate_lineage(tiny_lineage(), seed=3)


def test_labels_are_the_tracks(world: LineageWorld) -> None:
    film = world.fields[0]
    tracks = film.truth().tracks.set_index("L")
    seen: dict[int, list[int]] = {}
    for time in film.settings.imaged:
        for label in np.unique(film.labels(time))[1:]:
            seen.setdefault(int(label), []).append(time)
    assert set(seen) == set(tracks.index)
    for label, times in seen.items():
        span = [t for t in film.settings.imaged if tracks["B"][label] <= t <= tracks["E"][label]]
        assert times == span


def test_lineage_is_a_lineage(world: LineageWorld) -> None:
    for film in world.fields:
        tracks = film.truth().tracks.set_index("L")
        for row in tracks[tracks["P"] > 0].itertuples():
            assert tracks["E"][row.P] < row.B
            assert tracks["fate"][row.P] == "divides"
        mass = {b.number: b for b in film.life.bodies}
        for mother in {b.mother for b in film.life.bodies if b.mother >= 0}:
            assert sum(b.mother == mother for b in mass.values()) == 2


def test_same_seed_same_pixels_and_states_move_nothing(world: LineageWorld) -> None:
    again = simulate_lineage(tiny_lineage(), seed=3).fields[0]
    np.testing.assert_array_equal(again.image(4), world.fields[0].image(4))
    still = tiny_lineage().model_copy(update={"on_per_h": (0.0, 0.0), "inheritance": 0.0})
    other = simulate_lineage(still, seed=3).fields[0]
    np.testing.assert_array_equal(other.labels(4), again.labels(4))


def test_bleaching_and_gaps(world: LineageWorld) -> None:
    film = world.fields[0]
    with pytest.raises(UsageError, match="time index 5 was not imaged"):
        film.image(5)
    states = film.truth().states
    assert set(states.loc[states["time_index"] == 6, "exposures"]) == {5}
    assert set(states["time_s"] / 1800) == set(film.settings.imaged)


def test_states_switch_at_their_rates_and_sisters_inherit() -> None:
    settings = LineageSettings(frames=40, interval_h=1.0)
    rates = Rates(0.3, 0.2)
    at, none = np.zeros(2), -1
    mothers = [Body(n, none, at, at, 1.0, 0.0, 20.0, np.inf, 0.0, 0.0) for n in range(4000)]
    daughters = [
        Body(4000 + n, n // 2, at, at, 1.0, 20.0, np.inf, np.inf, 0.0, 0.0) for n in range(8000)
    ]
    for each in mothers:
        each.end_h = 20.0
    paths = state_paths(settings, 0, ("x",), [*mothers, *daughters], rates, rates)
    born = np.array([path.at(20.0) for path in paths[4000:]], dtype=float).reshape(-1, 2)
    later = np.array([path.at(21.0) for path in paths[4000:]], dtype=float).reshape(-1, 2)
    assert born.mean() == pytest.approx(0.6, abs=0.02)
    assert np.corrcoef(born.T)[0, 1] == pytest.approx(0.6, abs=0.04)
    assert np.corrcoef(later.T)[0, 1] == pytest.approx(0.6 * np.exp(-1.0), abs=0.05)
    on = sum(path.at(t) for path in paths[:4000] for t in (19.0,)) / 4000
    assert on == pytest.approx(0.6, abs=0.03)


def test_files(world: LineageWorld, tmp_path: Path) -> None:
    write_lineage(world, tmp_path)
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert len(names) == 4 * 11 * 2
    assert not [name for name in names if name.startswith("Timepoint_005")]
    field_id = world.fields[0].field_id
    known = read_ctc_truth(tmp_path / "truth" / field_id)
    np.testing.assert_array_equal(
        known.tracks[["L", "B", "E", "P"]].to_numpy(),
        world.fields[0].truth().tracks[["L", "B", "E", "P"]].to_numpy(),
    )
    rates = pd.read_csv(tmp_path / "truth" / "rates.csv")
    assert rates["on_per_h"].tolist()[:2] == [0.05, 0.2]
    assert len(rates) == 2 + 4
    (tmp_path / "world.json").write_text("{}")
    with pytest.raises(InputError, match="holds another simulated plate"):
        write_lineage(world, tmp_path)


def test_refusals() -> None:
    with pytest.raises(UsageError, match="seed -1"):
        simulate_lineage(seed=-1)
    with pytest.raises(UsageError, match="leave none of 1 frames imaged"):
        simulate_lineage(LineageSettings(frames=1, gaps=(0,)))
    with pytest.raises(UsageError, match="made of films"):
        simulate("lineage")
    with pytest.raises(ValueError, match="two different names"):
        LineageSettings(states=("a", "a"))
