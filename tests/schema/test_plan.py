"""Plans: strict, explained, written out whole."""

from __future__ import annotations

import pytest

from lucyte.schema.errors import InputError, LucyteError, UsageError
from lucyte.schema.plan import load_plan, parse_plan

MINIMAL = '[input]\npath = "images"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "layot = 'x'", r"unknown plan key 'layot', did you mean 'layout'\?"),
        (MINIMAL + "[track]\nmax_gab = 1", r"did you mean 'max_gap'\? .*at track.max_gab"),
        (MINIMAL + "[[segment.objects]]\nkindd = 'cell'", r"did you mean 'kind'\?"),
        (MINIMAL + "[classify]\nfolds = 1", r"classify.folds: .*greater than or equal to 2, got 1"),
        ("seed = -1\n" + MINIMAL, r"seed: .*greater than or equal to 0, got -1"),
        ("[input", r"not valid TOML"),
        ("", r"input: field required\."),
    ],
)
def test_a_wrong_plan_is_refused_in_one_line(text: str, message: str) -> None:
    parse_plan(MINIMAL)  # premise: what is wrong is not the rest
    with pytest.raises(UsageError, match=message) as refusal:
        parse_plan(text, "plan.toml")
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code == 2


def test_a_missing_plan_says_how_to_make_one(tmp_path) -> None:
    with pytest.raises(InputError, match="lucyte init IMAGES"):
        load_plan(tmp_path / "none.toml")
    (tmp_path / "picture.toml").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(InputError, match="cannot be read as a plan"):
        load_plan(tmp_path / "picture.toml")


def test_a_plan_does_not_change_underfoot() -> None:
    plan = parse_plan(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        plan.seed = 3  # type: ignore[misc]


def test_errors_carry_their_exit_codes() -> None:
    assert (LucyteError.exit_code, InputError.exit_code, UsageError.exit_code) == (1, 1, 2)
