"""The page of an explained model in words that need no help."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lucyte.explain.attribution.methods import METHODS
from lucyte.io.labelled import SampleOptions
from lucyte.networks.model_folder import Card
from lucyte.pipeline.asked_model import Wanted
from lucyte.pipeline.how_right import how_right
from lucyte.pipeline.judged_counterfactuals import Judge
from lucyte.pipeline.run_cells import cut_through
from lucyte.pipeline.turning import how_to_turn, side_for
from lucyte.report.counterfactual import RealCell, Strip, counterfactual_section
from lucyte.report.explained import ChannelShare, ExplainedContent, in_grey, render_explained
from lucyte.report.explanations import _apart
from lucyte.report.film_strip import GAP, film_strip
from lucyte.report.method_words import WORDS, method_does, method_name
from lucyte.report.readable import Formula, formulas_section
from lucyte.report.section import Figures
from lucyte.schema.finding import Finding


def _strip(**changes: object) -> Strip:
    told: dict[str, object] = {
        "object_id": "B02/7",
        "where": "B02",
        "source": "fed",
        "target": "starved",
        "channels": ("EGFP", "mRFP"),
        "images": np.random.default_rng(0).poisson(100, (3, 2, 16, 16)),
        "probability": (0.05, 0.5, 0.93),
        "changed": "number of mRFP spots: 5 more",
        "known": "fed",
        "judged": "states, which did not draw it, agrees: it sees starved (0.88).",
    }
    return Strip(**{**told, **changes})  # type: ignore[arg-type]


def _page(*strips: Strip, inverse: str = "") -> str:
    return str(counterfactual_section(strips, None, (), Figures(), inverse).body or "") or str(
        counterfactual_section(strips, None, (), Figures(), inverse).absent
    )


def test_a_real_cell_stands_beside_what_was_made() -> None:
    real = RealCell(np.full((2, 16, 16), 100), "C03/9", "well C03")
    page = _page(_strip(alike=real))
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", page)
    assert texts[:4] == ["as it is", "as starved", "change", "real starved"]
    assert "The real starved is of well C03." in page
    assert "It was taken, not made" in page
    assert "It was taken, not made" not in _page(_strip())
    wider = film_strip(_strip().images, real=real.image).shape[1]
    assert wider - film_strip(_strip().images).shape[1] == 3 * 16 + GAP


def test_a_strip_says_what_each_column_and_row_is() -> None:
    page = _page(_strip())
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", page)
    heads = ["as it is", "as starved", "change", "0.05", "0.50", "0.93", "EGFP", "mRFP"]
    assert texts == heads
    assert "labelled fed, B02" in page
    assert "agrees: it sees starved (0.88)" in page
    assert "number of mRFP spots: 5 more" in page
    assert "darker by 50% of black to white" in page
    assert "one row per channel" in page
    assert "do not trust it" not in page
    assert "do not trust it" in _page(_strip(said="No real cell looks so: do not trust it."))


def test_one_channel_needs_no_rows() -> None:
    page = _page(_strip(channels=("H2B",), images=np.ones((3, 1, 16, 16))))
    assert "row per channel" not in page
    assert ">H2B<" not in page


def test_a_page_without_strips_says_how_to_get_them() -> None:
    wanted = Wanted(Path("out"), None, SampleOptions())
    said = how_to_turn(wanted, 54, "lucyte explain out --cells 2")
    assert said == (
        "lucyte train invert out --side-px 56 -o inverse; then: "
        "lucyte explain out --cells 2 --counterfactual inverse"
    )
    assert said.replace("--", "") in _page(inverse=said).replace("--", "")
    pictures = Wanted(Path("m"), Path("pics"), SampleOptions(group_regex="(p.)"))
    assert how_to_turn(pictures, 64, "") == (
        "lucyte train invert pics --group-regex '(p.)' -o inverse; then: "
        "lucyte explain m pics --counterfactual inverse"
    )
    assert [side_for(px) for px in (8, 9, 64)] == [8, 16, 64]


def test_every_method_has_a_name_and_a_sentence() -> None:
    shown = {row.name for row in METHODS} - {"shapley_pieces"}
    assert shown <= set(WORDS)
    for name in shown:
        assert "_" not in method_name(name)
        assert method_does(name).endswith(".")


def test_long_numbers_of_formulas_are_shortened() -> None:
    formula = Formula("formula", "A when area > 107.982756057297; else B when x > 9.18", "area", 1,
                      "pass", *([0.8, None, None] * 3))  # fmt: skip
    page = str(formulas_section([formula], []).body)
    assert "area &gt; 108; else B when x &gt; 9.18" in page


class _Sum:
    """Says how much light it is given, and keeps what it saw."""

    classes = ("dim", "bright")
    channels = ("EGFP", "mask:cell")
    pixel_size_um = None
    input_px = 4

    def logits(self, crops: np.ndarray) -> np.ndarray:
        assert crops.shape[1:] == (2, 4, 4)
        told = (crops[:, 0] * crops[:, 1]).sum(axis=(1, 2))
        return np.stack([np.zeros(len(crops)), told], axis=1)


def test_a_judge_that_takes_less_sees_the_middle() -> None:
    crops, masks = np.zeros((1, 1, 8, 8)), np.ones((1, 8, 8), dtype=bool)
    crops[0, 0, 2:6, 2:6] = 1
    crops[0, 0, 0, 0] = 100
    assert Judge(_Sum(), masks).logits(crops)[0, 1] == 16


def test_the_page_says_how_often_the_model_is_right() -> None:
    told = {"value": 0.5, "low": 0.42, "high": 0.57, "n": 6, "unit": "well"}
    said = how_right(Card(metrics={"balanced_accuracy": told}), ("fed", "starved"))
    assert said == (
        "On 6 wells that it had not seen the model was right with balanced accuracy 0.50 (0.42 to "
        "0.57); guessing gives 0.50. That is not surely better than guessing: read no biology into "
        "what follows."
    )
    better = {**told, "value": 0.8, "low": 0.7, "high": 0.9}
    assert "read no" not in how_right(Card(metrics={"balanced_accuracy": better}), ("a", "b"))
    assert how_right(Card(), ("a", "b")) == ""


def test_a_method_that_joins_the_channels_shows_one_map() -> None:
    same, other = np.ones((4, 4)), np.zeros((4, 4))
    assert list(_apart({"EGFP": same, "TL": same.copy()})) == ["all channels"]
    assert list(_apart({"EGFP": same, "TL": other})) == ["EGFP", "TL"]
    assert list(_apart({"EGFP": same})) == ["EGFP"]


def test_without_maps_no_channel_is_spoken_of() -> None:
    bare = ExplainedContent("m", "lucyte explain m", (), ())
    page = render_explained(bare)
    assert "No map was made." in page
    assert "There is one channel" not in page
    one = replace(bare, shares=(ChannelShare("occlusion", {}),))
    assert "There is one channel" in render_explained(one)


def test_a_lone_channel_without_a_name_is_called_grey() -> None:
    strip = _strip(channels=("C0",), images=_strip().images[:, :1], changed="number of C0 spots: 1")
    formula = Formula(
        "formula", "A when mean C0 > 9", "mean C0", 1, "pass", *([0.8, None, None] * 3)
    )
    content = ExplainedContent("m", "", (), (), strips=(strip,), formulas=(formula,))
    told = in_grey(content)
    assert told.strips[0].changed == "number of grey spots: 1"
    assert told.formulas[0].words == "A when mean grey > 9"
    page = render_explained(content)
    assert "number of grey spots" in page and "C0 spots" not in page and "mean C0" not in page
    two = replace(content, strips=(strip, _strip()))
    assert in_grey(two) is two, "with other channels its name is needed"


def test_pictures_come_before_the_tests_one_by_one() -> None:
    finding = Finding("occlusion.deletion", "Does the answer go?", "pass", 0.5, 0.4, 0.6, 8, "well",
                      (), "It goes.")  # fmt: skip
    page = render_explained(ExplainedContent("m", "", (finding,), (), strips=(_strip(),)))
    order = [
        page.index(words) for words in ("What may be believed", "made to look like", "It goes.")
    ]
    assert order == sorted(order)
    assert page.count('id="finding-occlusion-deletion"') == 1


def test_pictures_that_cut_through_cells_are_told() -> None:
    boxes = pd.DataFrame({"x0_px": [0, 0, 0], "x1_px": [100, 114, 130],
                          "y0_px": [0, 0, 0], "y1_px": [90, 80, 90]})  # fmt: skip
    assert cut_through(boxes, 114) == []
    assert cut_through(boxes, 64) == [
        "Pictures of 64 px cut through most cells: half of them are 114 px or longer; "
        "set --side-px 176 or leave it out."
    ]
