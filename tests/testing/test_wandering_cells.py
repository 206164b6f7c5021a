"""A world for linkers: its truth is a lineage, and the same seed makes the same movie."""

from __future__ import annotations

from collections import Counter

import pytest

from lucyte.testing.wandering_cells import Movie, grade, wandering_cells


@pytest.fixture(scope="module")
def movie() -> Movie:
    return wandering_cells(60, 40, seed=0)


def test_the_world_has_what_makes_linking_hard(movie: Movie) -> None:
    frames = dict(zip(movie.table()["object_id"], movie.table()["time_index"], strict=True))
    steps = Counter(frames[target] - frames[source] for source, target in movie.edges)
    assert len(movie.divisions) > 2
    assert steps[2] > 0, "no cell was ever missed"
    assert min(steps) == 1


def test_every_detection_has_one_past_and_at_most_two_futures(movie: Movie) -> None:
    pasts = Counter(target for _, target in movie.edges)
    futures = Counter(source for source, _ in movie.edges)
    assert set(pasts.values()) == {1}
    assert {name for name, count in futures.items() if count == 2} == set(movie.divisions)


def test_truth_grades_itself_perfect_and_less_is_worse(movie: Movie) -> None:
    assert grade(movie, movie.edges) == (1.0, 1.0)
    mother = min(movie.divisions)
    lost = {edge for edge in movie.edges if edge[0] != mother}
    edge, division = grade(movie, lost)
    assert edge < 1
    assert division < 1


def test_the_same_seed_makes_the_same_movie(movie: Movie) -> None:
    again, other = wandering_cells(60, 40, seed=0), wandering_cells(60, 40, seed=1)
    assert again.table().equals(movie.table())
    assert not other.table().equals(movie.table())
