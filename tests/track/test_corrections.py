"""What a person says holds; the rest is the best that agrees with it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.io.edits import read_edits, with_places, write_edits
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.plan import TrackSettings
from lucyte.schema.tracks import Edit, Place, Tracks
from lucyte.track.candidates import Pairs, nearby
from lucyte.track.corrections import (
    corrected_couples,
    corrected_gains,
    corrected_pairs,
    find_corrections,
    with_pinned,
)
from lucyte.track.detections import read_detections
from lucyte.track.divisions import Couples, Divisions
from lucyte.track.link import link
from lucyte.track.solve import solve
from reference.tracking import best_lineage
from worlds import lineages
from worlds.lineages import SHAPE, World


def run(world: World, *edits: Edit, **keys: object) -> Tracks:
    return link(world.table(), TrackSettings(**keys), shape_yx=SHAPE, edits=edits)


def named(*names: str) -> tuple[Place, ...]:
    return tuple(Place(object_id=name) for name in names)


def edges_of(tracks: Tracks) -> set[tuple[str, str]]:
    return set(zip(tracks.edges["source_id"], tracks.edges["target_id"], strict=True))


def test_a_forbidden_link_is_gone_and_the_rest_as_before() -> None:
    world = lineages.crowd()
    link_ = ("quiet00@4", "quiet00@5")
    assert link_ in edges_of(run(world)), "premise: it is made"
    tracks = run(world, Edit(2, "forbid", named(*link_)))
    after = edges_of(tracks)
    assert link_ not in after
    assert edges_of(run(world)) - after <= {link_, ("quiet00@3", "quiet00@4")} | {link_}
    assert tracks.notes == ()


def test_a_pinned_link_is_made_however_far() -> None:
    world = lineages.crowd()
    far = ("quiet00@4", "quiet32@6")
    assert far not in edges_of(run(world)), "premise: nobody would"
    tracks = run(world, Edit(2, "link", named(*far)))
    made = tracks.edges.set_index("target_id").loc["quiet32@6"]
    assert (made["source_id"], made["kind"], bool(made["edited"])) == ("quiet00@4", "gap", True)
    assert made["margin"] == np.inf
    track = tracks.nodes.set_index("object_id")["track_id"]
    assert track["quiet00@0"] == track["quiet32@11"]
    assert track["quiet32@5"] != track["quiet32@6"]
    assert int(tracks.edges["edited"].sum()) == 1


def test_a_division_is_pinned_where_none_was() -> None:
    world = lineages.visitor()
    assert "division" not in set(run(world).edges["kind"]), "premise: the visitor is no daughter"
    said = Edit(2, "divide", named("resident@5", "resident@6", "visitor@6"))
    tracks = run(world, said)
    kind = tracks.edges.set_index("target_id")["kind"]
    assert kind["resident@6"] == kind["visitor@6"] == "division"
    assert tracks.edges.set_index("target_id").loc["visitor@6", "edited"]
    fate = tracks.tracks.set_index("track_id")["fate"]
    assert fate[tracks.nodes.set_index("object_id").loc["resident@5", "track_id"]] == "divides"


def test_end_and_start_cut_a_track() -> None:
    world = lineages.crowd()
    for edit in (
        Edit(2, "end", named("quiet11@4")),
        Edit(2, "start", named("quiet11@5")),
    ):
        after = edges_of(run(world, edit))
        touched = "quiet11@4" if edit.action == "end" else "quiet11@5"
        side = 0 if edit.action == "end" else 1
        assert touched not in {each[side] for each in after}
        assert ("quiet11@3", "quiet11@4") in after
        assert ("quiet11@5", "quiet11@6") in after


def test_corrections_survive_other_numbers() -> None:
    world = lineages.visitor()
    first = run(world)
    said = (Edit(2, "divide", named("resident@5", "resident@6", "visitor@6")),)
    placed = with_places(said, first.nodes, "f")
    assert placed[0].places[0].y_px == pytest.approx(200)
    table = world.table(seed=9)
    table["object_id"] = [f"again{i}" for i in range(len(table))]
    lost = link(table, TrackSettings(), shape_yx=SHAPE, edits=said)
    assert lost.notes == ("edits line 2 (divide) fits no object: object resident@5; not used.",)
    kept = link(table, TrackSettings(), shape_yx=SHAPE, edits=placed)
    assert kept.notes == ()
    assert (kept.edges["kind"] == "division").sum() == 2


def test_a_place_where_nothing_is_is_named() -> None:
    world = lineages.crowd()
    edit = Edit(7, "end", (Place(4, 390.0, 490.0),))
    (note,) = run(world, edit).notes
    assert note == "edits line 7 (end) fits no object: frame 4, y 390, x 490 px; not used."


def test_places_are_looked_up_in_label_images_first() -> None:
    world = lineages.crowd()
    table = world.table()
    found = read_detections(table, SHAPE)
    image = np.zeros(SHAPE, np.int32)
    row = table[table["object_id"] == "quiet22@4"].iloc[0]
    image[390, 490] = row["label"]
    said = find_corrections(found, [Edit(2, "end", (Place(4, 390, 490),))], lambda _: image)
    assert found.object_id[said.ends].tolist() == ["quiet22@4"]


@pytest.mark.parametrize(
    ("one", "two", "about"),
    [
        (("link", "quiet00@4", "quiet10@5"), ("link", "quiet01@4", "quiet10@5"), "came before"),
        (("link", "quiet00@4", "quiet10@5"), ("link", "quiet00@4", "quiet11@5"), "comes after"),
        (("link", "quiet00@4", "quiet10@5"), ("forbid", "quiet00@4", "quiet10@5"), "came before"),
        (("link", "quiet00@4", "quiet10@5"), ("end", "quiet00@4"), "comes after"),
        (("link", "quiet00@4", "quiet10@5"), ("start", "quiet10@5"), "came before"),
        (
            ("divide", "quiet00@4", "quiet10@5", "quiet00@5"),
            ("divide", "quiet01@4", "quiet10@5", "quiet01@5"),
            "came before",
        ),
        (
            ("divide", "quiet00@4", "quiet10@5", "quiet00@5"),
            ("divide", "quiet10@5", "quiet10@6", "quiet00@6"),
            "born and dividing",
        ),
    ],
)
def test_contradictions_name_both_lines(
    one: tuple[str, ...], two: tuple[str, ...], about: str
) -> None:
    edits = [Edit(3, one[0], named(*one[1:])), Edit(8, two[0], named(*two[1:]))]
    for said in (edits, edits[::-1]):
        with pytest.raises(UsageError, match=f"edits lines 3 and 8 contradict .*{about}"):
            run(lineages.crowd(), *said)


def test_the_same_said_twice_is_no_contradiction() -> None:
    one = Edit(2, "divide", named("quiet00@4", "quiet10@5", "quiet00@5"))
    two = Edit(3, "divide", named("quiet00@4", "quiet00@5", "quiet10@5"))
    assert (run(lineages.crowd(), one, two).edges["kind"] == "division").sum() == 2


def test_a_link_back_in_time_is_refused() -> None:
    with pytest.raises(UsageError, match="line 2: link goes from frame 5 to frame 4"):
        run(lineages.crowd(), Edit(2, "link", named("quiet00@5", "quiet00@4")))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_the_rest_is_the_best_that_agrees(seed: int) -> None:
    """Against enumeration: of all lineages that hold what was said, none gains more."""
    rng = np.random.default_rng(seed)
    world = World()
    for time in range(3):
        for cell in range(int(rng.integers(2, 4))):
            world.put(f"c{cell}", time, *rng.uniform(0, 60, 2))
    found = read_detections(world.table(seed % 97), SHAPE)
    still = np.zeros((3, 2))
    all_pairs = nearby(found, still, np.inf, 1)
    gains = dict(zip(_ends(all_pairs), rng.uniform(-3, 9, len(all_pairs)).tolist(), strict=True))
    split = {}
    for (a, b), (c, d) in combinations(gains, 2):
        if a == c and rng.random() < 0.5:
            split[a, b, d] = float(rng.uniform(1, 16))
    edits = _random_edits(rng, found.object_id.tolist(), gains, split)
    try:
        said = find_corrections(found, edits)
    except UsageError:
        return
    pairs = corrected_pairs(found, all_pairs, still, said)
    value = np.array([gains[each] for each in _ends(pairs)])
    place = {each: i for i, each in enumerate(_ends(pairs))}
    free = [k for k in split if (k[0], k[1]) in place and (k[0], k[2]) in place]
    couples = Couples(
        np.array([place[a, b] for a, b, _ in free], np.int64),
        np.array([place[a, c] for a, _, c in free], np.int64),
        np.zeros(len(free)),
        np.array([split[k] for k in free]),
    )
    couples = corrected_couples(pairs, couples, said, len(found))
    chosen = with_pinned(
        pairs, Divisions(couples.first, couples.second, couples.fit), said, couples
    )
    solution = solve(len(found), pairs, corrected_gains(pairs, value, said), chosen)
    links, triples = _allowed(gains, split, said)
    pinned = {tuple(each) for each in said.links.tolist()}
    mothers = {tuple(each) for each in said.divisions.tolist()}
    made = {_ends(pairs)[each] for each in solution.links.tolist()}
    born = {
        (_ends(pairs)[a][0], *sorted((_ends(pairs)[a][1], _ends(pairs)[b][1])))
        for a, b in zip(
            chosen.first[solution.divisions], chosen.second[solution.divisions], strict=True
        )
    }
    assert pinned <= made
    assert mothers <= born
    rest = sum(gains[each] for each in made - pinned)
    rest += sum(split[each] for each in born - mothers)
    assert rest == pytest.approx(best_lineage(links, triples))


def _ends(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True))


def _random_edits(rng, names, gains, split):  # type: ignore[no-untyped-def]
    edits = []
    for line in range(int(rng.integers(1, 4))):
        action = str(rng.choice(["link", "forbid", "divide", "end", "start"]))
        a, b = list(gains)[int(rng.integers(len(gains)))]
        if action == "divide":
            if not split:
                continue
            objects = list(split)[int(rng.integers(len(split)))]
        else:
            objects = {"end": (a,), "start": (b,)}.get(action, (a, b))
        edits.append(Edit(line + 2, action, named(*(names[each] for each in objects))))
    return edits


def _allowed(gains, split, said):  # type: ignore[no-untyped-def]
    """Links and divisions that contradict nothing that was said, by sets."""
    exits = {a for a, _ in said.links.tolist()} | {a for a, *_ in said.divisions.tolist()}
    exits |= set(said.ends.tolist())
    entrances = {b for _, b in said.links.tolist()} | set(said.starts.tolist())
    daughters = {each for _, *both in said.divisions.tolist() for each in both}
    entrances |= daughters
    mothers = {a for a, *_ in said.divisions.tolist()}
    never = {tuple(each) for each in said.forbidden.tolist()}

    def open_(a: int, b: int) -> bool:
        return a not in exits and b not in entrances and (a, b) not in never

    links = {k: g for k, g in gains.items() if g > 0 and open_(*k)}
    triples = {
        (a, b, c): g
        for (a, b, c), g in split.items()
        if open_(a, b) and open_(a, c) and a not in daughters and not {b, c} & mothers
    }
    return links, triples


def test_corrections_come_back_from_their_file(tmp_path: Path) -> None:
    edits = (
        Edit(2, "link", (Place(3, 10.5, 20.0), Place(4, 11.0, 21.0, "f/t004/cell/2")), "f"),
        Edit(3, "divide", (Place(object_id="a"), Place(5, 1.0, 2.0), Place(5, 3.0, 4.0))),
        Edit(4, "end", (Place(7, 0.0, 0.0),)),
    )
    write_edits(tmp_path / "edits.csv", edits)
    assert read_edits(tmp_path / "edits.csv") == edits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "action,time_index_a,y_a_px,x_a_px\nlinc,1,2,3\n",
            "line 2: unknown action 'linc'.*'link'",
        ),
        ("action,object_id_a\nlink,x\n", "line 2: object b has no place"),
        ("action,time_index_a,y_a_px,x_a_px\nend,1.5,2,3\n", "is no frame and two numbers"),
        ("action,time_index_a,y_a_px,x_a_px\nend,1,here,3\n", "got '1', 'here', '3'"),
        ("action,object_id_a,object_id_b\nend,x,y\n", "speaks of 1 object"),
        ("object_id_a\nx\n", "has no column 'action'"),
        ("action,object_id_a\nend,x,y\n", "line 2 has 3 cells, its head 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "edits.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_edits(tmp_path / "edits.csv")


def test_a_misspelt_column_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "edits.csv").write_text("action,object_a\nend,x\n")
    with pytest.raises(UsageError, match="unknown column 'object_a', did you mean 'object_id_a'"):
        read_edits(tmp_path / "edits.csv")
    with pytest.raises(InputError, match="no such file of corrections"):
        read_edits(tmp_path / "no.csv")
    (tmp_path / "empty.csv").write_text("\n# nothing\n")
    assert read_edits(tmp_path / "empty.csv") == ()
