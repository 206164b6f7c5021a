"""The page of a trained classifier: says what was found, refuses to flatter."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lucyte.learn.cross_validation import CrossValidation
from lucyte.learn.fusion_comparison import FusionComparison, Trained, plan_entries
from lucyte.networks.abstention import Calibration
from lucyte.report.classifier import (
    ClassifierContent,
    pictures_shown,
    render_classifier,
    sample_picture,
)
from lucyte.report.classifier_calibration import coverage, reliability, tempered
from lucyte.report.classifier_comparison import carrier_words, late_shares
from lucyte.report.classifier_content import judged
from lucyte.report.classifier_examples import confident_errors, typical_rows
from lucyte.report.classifier_numbers import PooledAuroc, fixed, measured
from lucyte.report.classifier_scores import class_table
from lucyte.schema.finding import Finding
from lucyte.schema.samples import Samples
from lucyte.stats.classification import auroc

UMLAUTS = ("Zellkörper, groß und länglich geformt", "<b>fed</b>", "β")


def made(
    n: int = 120,
    classes: tuple[str, ...] = UMLAUTS,
    groups: int = 12,
    folds: int = 3,
    skill: float = 1.5,
    **more: Any,
) -> CrossValidation:
    """Made-up answers; group g is in fold g mod folds."""
    rng = np.random.default_rng(3)
    truth = np.arange(n) % len(classes)
    logits = rng.normal(size=(n, len(classes)))
    logits[np.arange(n), truth] += skill
    group = np.arange(n) * groups // n
    return CrossValidation(
        classes,
        logits,
        group % folds,
        tuple(classes[k] for k in truth),
        tuple(f"w{g:02d}" for g in group),
        tuple(f"{k}.png" for k in range(n)),
        "well",
        **more,
    )


def page(result: CrossValidation, **more: Any) -> str:
    content = ClassifierContent("My cells", "lucyte train classify x -o m", result, **more)
    return render_classifier(content)


def text(html: str) -> str:
    """The words of the page, pictures and style left out."""
    body = re.sub(r"<(style|script|svg).*?</\1>", " ", html, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body))


def test_the_page_says_first_how_good_against_what_and_from_how_many() -> None:
    result = made()
    found = result.interval("balanced_accuracy")
    words = text(page(result))
    told = (
        f"Balanced accuracy {found.estimate:.3f} (95 % interval {found.low:.3f} to "
        f"{found.high:.3f}, n = 12 wells), where guessing reaches 0.333. Every picture was "
        "answered by a model that saw nothing of its well."
    )
    assert told in words
    assert "120 pictures of 12 wells" in words


def test_the_order_of_the_sections_is_fixed() -> None:
    html = page(made())
    slugs = re.findall(r'<(?:section class="part"|p class="absent") id="([a-z]+)"', html)
    assert slugs == [
        *("findings", "scores", "confusion", "classes", "folds", "curves", "calibration"),
        *("learning", "comparison", "examples", "methods"),
    ]


def test_the_same_content_gives_the_same_text_and_nothing_is_loaded() -> None:
    html = page(made())
    assert html == page(made())
    assert not re.search(r'(?:src|href)="https?:', html)


def test_names_are_escaped_and_kept() -> None:
    html = page(made())
    assert "<b>fed</b>" not in html and "&lt;b&gt;fed&lt;/b&gt;" in html
    assert "Zellkörper, groß und länglich geformt" in html


def test_a_leaking_split_is_said_at_the_top_and_under_every_figure() -> None:
    result = made(leakage=True, warnings=("Split at random.",))
    html = page(result)
    words = text(html)
    assert "These scores are not evidence: the split leaks." in words
    assert "Split at random." in words and "answered by a model that saw nothing" not in words
    assert html.count("Not evidence: random split") == html.count("<figcaption>") + 1
    assert "a model that had seen other pictures of its well" in words
    assert "saw no picture of its well" not in words


def test_unknown_groups_get_a_banner_of_their_own() -> None:
    words = text(page(made(warnings=("No groups were given, so each image is its own.",))))
    assert "The independence of these answers is unknown." in words
    assert "not evidence" not in words.lower()
    assert 'class="banner' not in page(made())


def test_few_groups_get_points_and_no_interval() -> None:
    result = made(groups=4, folds=2)
    scores = measured(result, result.rows())
    assert [each.interval.low for each in scores] == [None] * 5
    assert len(scores[0].points) == 4
    recalls = []
    for k in range(3):
        own = [i for i in result.rows() if result.groups[i] == "w00" and result.labels[i]]
        mine = [i for i in own if result.labels[i] == UMLAUTS[k]]
        recalls.append(np.mean([result.predicted[i] == UMLAUTS[k] for i in mine]))
    assert scores[0].points["w00"] == pytest.approx(np.mean(recalls))
    words = text(page(result))
    assert "none from 4 wells" in words and "n = 4 wells, no interval" in words


def test_pooled_auroc_of_any_draw_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 60).round(1)  # ties
    truth = rng.integers(0, 3, 60)
    rows = rng.integers(0, 60, 90)
    slow = np.mean([auroc(p[rows, k], truth[rows] == k) for k in range(3)])
    assert PooledAuroc(p, truth)(rows) == pytest.approx(slow, abs=1e-12)
    only = np.isin(truth, (0, 1))
    two = PooledAuroc(p[only][:, :2], truth[only])
    assert two(np.arange(only.sum())) == pytest.approx(auroc(p[only, 1], truth[only] == 1))
    assert math.isnan(PooledAuroc(p, np.zeros(60, int))(np.arange(60)))


def test_an_interval_never_leaves_the_scale() -> None:
    result = made(skill=3.0)
    ends = [each.interval.high for each in measured(result, result.rows())]
    assert any(end is not None for end in ends)
    assert all(end is None or end <= 1 for end in ends)


def test_no_error_at_all_is_no_certainty() -> None:
    result = made(skill=99.0)
    for each in measured(result, result.rows()):
        if each.interval.estimate == 1 and each.name != "auroc":
            assert each.interval.low is None and "the same in every group" in each.interval.method


def test_an_undefined_score_says_why() -> None:
    result = made()
    logits = np.zeros_like(result.logits)
    logits[:, 0] = 1.0
    words = text(page(replace(result, logits=logits)))
    assert "undefined: every answer is Zellkörper, groß und länglich geformt" in words


def test_classes_show_the_groups_behind_them_and_few_are_grey() -> None:
    result = made()
    labels = list(result.labels)
    labels[:] = ["β" if result.groups[k] == "w00" else "<b>fed</b>" for k in range(len(labels))]
    html = str(class_table(replace(result, labels=tuple(labels)), "cell", "Classes"))
    rows = dict(re.findall(r'<tr( class="few")?><th scope="row" class="long">(.*?)</th>', html))
    assert set(rows) == {"", ' class="few"'}
    assert html.count("1 (few)") == 1 and html.count("0 (few)") == 1
    assert ">110<" in html and ">11<" in html


def test_a_fold_without_a_class_is_named() -> None:
    result = made()
    gone = [result.labels[k] == "β" and result.fold[k] != 1 for k in range(len(result.labels))]
    labels = tuple("<b>fed</b>" if g else x for g, x in zip(gone, result.labels, strict=True))
    words = text(page(replace(result, labels=labels)))
    assert "Fold 1 tested no picture of β." in words
    assert "Fold 2 could not learn β: all of it was tested." in words


def test_one_fold_is_enough_for_a_page() -> None:
    words = text(page(made(folds=1)))
    assert "There is one fold only." in words
    assert "were tested once, by a model that saw none of these wells" in words
    assert "no temperature could be fitted on other folds" in words


def test_held_out_groups_have_scores_of_their_own() -> None:
    result = made()
    fold = np.where(np.isin(result.groups, ["w00", "w01"]), -1, result.fold)
    words = text(page(replace(result, fold=fold)))
    assert "picture, held out" in words and "20 pictures of 2 wells" in words
    assert "2 wells (20 pictures) were set aside before anything else" in words
    assert (judged(replace(result, fold=np.full(120, -1))).fold == 0).all()


def test_pictures_without_an_answer_are_counted_and_in_no_score() -> None:
    result = made()
    result.logits[5] = np.nan
    words = text(page(result))
    assert "1 picture without an answer: in no score." in words
    assert "119 pictures of 12 wells" in words


def test_votes_come_before_their_parts() -> None:
    patches = made()
    stacks = made(n=24)
    words = text(page(patches, voted=stacks, thing="patch", source="stack"))
    assert "24 stacks of 12 wells" in words and "120 patches of 12 wells" in words
    assert words.index("Classes, stack by stack") < words.index("Classes, patch by patch")
    assert f"Balanced accuracy {stacks.interval().estimate:.3f}" in words


def test_nuclei_are_called_nuclei() -> None:
    words = text(page(made(), thing="nucleus"))
    assert "120 nuclei of 12 wells" in words and "nucleus" + "es" not in words


def test_known_temperatures_are_undone_and_else_fitted_on_other_folds() -> None:
    result = made()
    content = ClassifierContent("t", "c", result, temperatures={0: 2.0, 1: 2.0, 2: 2.0})
    before, after, how = tempered(content)
    assert np.allclose(after, result.probabilities[result.rows()])
    assert np.allclose(
        before, replace(result, logits=2 * result.logits).probabilities[result.rows()]
    )
    assert "inside its training groups (2.00 to 2.00)" in how
    sure = replace(result, logits=5 * result.logits)
    before, after, how = tempered(ClassifierContent("t", "c", sure))
    assert after.max(axis=1).mean() < before.max(axis=1).mean() - 0.05
    assert "above 1 the models were too sure" in how


def test_reliability_and_coverage_count_what_they_say() -> None:
    p = np.array([[0.95, 0.05]] * 10 + [[0.55, 0.45]] * 10)
    truth = np.array([0] * 9 + [1] + [0] * 5 + [1] * 5)
    sure, right, n = reliability(truth, p)
    assert n.tolist() == [10, 10]
    assert sure == pytest.approx([0.55, 0.95]) and right == pytest.approx([0.5, 0.9])
    share, wrong = coverage(truth, p)
    assert (share[0], wrong[0]) == pytest.approx((0.5, 0.1))
    assert (share[-1], wrong[-1]) == pytest.approx((1.0, 0.3))


def test_what_the_threshold_does_here_is_told() -> None:
    words = text(page(made(), calibration=Calibration(1.2, 0.7, 0.1, 0.08, 0.5, 40, 3)))
    result = made()
    given = tempered(ClassifierContent("t", "c", result))[1].max(axis=1) >= 0.7
    assert "answers from a probability of 0.700 for at most 10 % wrong answers" in words
    assert f"answer {100 * given.mean():.3g} % of the pictures" in words
    assert "“unknown” below 0.700 (wrong answers at most 0.1)" in words
    never = text(page(made(), calibration=Calibration(1.2, 1.1, 0.01)))
    assert "never answers: no threshold keeps to 1 % wrong answers" in never


def test_errors_are_the_surest_and_stand_beside_what_they_were_taken_for() -> None:
    result = made(skill=0.7)
    found = confident_errors(result)
    assert [each.p for each in found] == sorted((each.p for each in found), reverse=True)
    assert all(
        result.labels[e.row] == e.truth != e.called == result.predicted[e.row] for e in found
    )
    assert max(pd.Series([(e.truth, e.called) for e in found]).value_counts()) <= 2
    wrong = [k for k in result.rows() if result.labels[k] != result.predicted[k]]
    assert found[0].row == max(wrong, key=lambda k: result.probabilities[k].max())


def test_typical_pictures_are_right_and_from_different_groups() -> None:
    result = made()
    for name, rows in typical_rows(result).items():
        assert len(rows) == 4 == len({result.groups[k] for k in rows})
        assert all(result.predicted[k] == name == result.labels[k] for k in rows)


def test_pictures_are_asked_for_only_where_shown() -> None:
    result = made(n=600)
    asked: list[int] = []

    def show(row: int) -> Any:
        asked.append(row)
        return np.full((32, 32, 3), row % 255, np.uint8)

    html = page(result, picture=show)
    assert set(asked) == set(pictures_shown(result).tolist()) and len(set(asked)) <= 24
    assert html.count("data:image/png") == len(asked)


def test_samples_are_shown_at_one_brightness() -> None:
    images = np.zeros((4, 2, 8, 8), np.uint16)
    images[:, 0] = np.arange(4)[:, None, None] * 100
    samples = Samples(images, ("GFP", "mask:cell"), tuple("abcd"), ("",) * 4, tuple("abcd"))
    show = sample_picture(samples)
    assert show(0).shape == (8, 8, 3) and show(0).max() == 0 and show(3).min() == 255
    assert 0 < show(1).mean() < show(2).mean() < 255


def carriers(**more: Any) -> pd.DataFrame:
    table = pd.DataFrame({"channel": ["mito", "DNA"], "alone": [0.9, 0.6]})
    return table.assign(**more)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (
            carriers(loss_without=[0.3, 0.01], low=[0.2, -0.02], high=[0.4, 0.04], n=18),
            "mito carries the decision: without it early fusion loses 0.300 (95 % interval 0.200 "
            "to 0.400) of balanced accuracy (n = 18 wells). mito alone reaches the highest "
            "balanced accuracy (0.900).",
        ),
        (
            carriers(loss_without=[0.1, 0.2], low=[0.05, 0.1], high=[0.2, 0.3], n=18),
            "DNA and mito carry the decision: without one of them early fusion loses 0.200 (95 % "
            "interval 0.100 to 0.300) and 0.100 (95 % interval 0.050 to 0.200) of balanced "
            "accuracy, in this order (n = 18 wells). mito alone reaches the highest balanced "
            "accuracy (0.900).",
        ),
        (
            carriers(loss_without=[0.02, 0.0], low=[-0.1, -0.1], high=[0.1, 0.1], n=18),
            "No channel is needed on its own: leaving out any costs early fusion at most 0.020 of "
            "balanced accuracy (mito, 95 % interval −0.100 to 0.100, n = 18 wells), so the "
            "channels tell the same or tell nothing; mito alone reaches the highest balanced "
            "accuracy (0.900).",
        ),
        (
            carriers(loss_without=[0.3, 0.0], low=None, high=None, n=3),
            "In the data at hand, leaving out mito costs early fusion the most (0.300 of balanced "
            "accuracy), but 3 wells are too few to say that it would again; mito alone reaches "
            "the highest balanced accuracy (0.900).",
        ),
        (
            carriers(),
            "mito alone reaches the highest balanced accuracy (0.900); that no other channel can "
            "stand in for it was not tested.",
        ),
    ],
)
def test_the_channel_that_carries_is_named_or_not(table: pd.DataFrame, told: str) -> None:
    assert carrier_words(table, "balanced accuracy", "well") == told


def compared(groups: int = 12) -> FusionComparison:
    """Three channels, of which one tells the class."""
    rng = np.random.default_rng(1)
    base = made(classes=("fed", "starved"), groups=groups)
    y = np.array([1.0 if name == "starved" else -1.0 for name in base.labels])
    light = ("mito", "DNA", "ER")
    seen = {name: (2.0 if name == "mito" else 0.1) * y + rng.normal(size=len(y)) for name in light}
    trained = []
    for entry in plan_entries(light):
        z = sum(seen[name] for name in entry.channels)
        weights = ({"mito": 0.8, "DNA": 0.1, "ER": 0.1},) * 3 if entry.form == "late" else ()
        result = replace(base, logits=np.stack([-z, z], axis=1))
        trained.append(Trained(entry, result, 1000 * len(entry.channels), 90.0, (5, 6, 7), weights))
    return FusionComparison(tuple(trained), "balanced_accuracy", "single mito", "small encoders")


def test_the_comparison_shows_every_model_with_its_cost() -> None:
    found = compared()
    html = page(made(classes=("fed", "starved")), comparison=found)
    words = text(html)
    assert "mito carries the decision" in words
    assert "3 single, 4 early, 1 intermediate and 1 late" in words
    assert "1.5 min" in words and "3,000" in words
    assert late_shares(found) == pytest.approx({"mito": 0.8, "DNA": 0.1, "ER": 0.1})
    gain = found.difference("single DNA", "single mito")
    assert fixed(gain.estimate) in words and f"{fixed(gain.low)} to {fixed(gain.high)}" in words


def test_a_comparison_over_few_groups_shows_points() -> None:
    words = text(page(made(classes=("fed", "starved"), groups=3), comparison=compared(3)))
    assert "circles are single wells, too few for an interval" in words
    assert "too few to say that it would again" in words


def test_a_warning_stands_in_the_first_sentences() -> None:
    warned = Finding(
        *("data.position", "Does the position tell?", "fail", 0.59, None, None, 12, "well", ()),
        why="The position alone tells the class. Look out.",
    )
    html = page(made(), findings=(warned,))
    assert "Before you trust it: The position alone tells the class." in text(html)
    assert 'id="finding-data-position"' in html


@pytest.mark.parametrize("column", ["network", "fold"])
def test_learning_curves_take_networks_or_folds(column: str) -> None:
    history = pd.DataFrame(
        {
            column: [0, 0, 1, 1] if column == "fold" else ["fold 1 early"] * 2 + ["final"] * 2,
            "epoch": [1, 2, 1, 2],
            "loss": [1.0, 0.5, 1.0, math.nan],
            "validation_balanced_accuracy": [0.5, None, 0.4, 0.6],
        }
    )
    words = text(page(made(), history=history))
    assert "One line per network (2 to 2 epochs)" in words


@pytest.mark.parametrize("classes", [2, 16, 40])
def test_no_figure_is_wider_than_the_page(classes: int) -> None:
    names = tuple(f"class number {k} with a rather long name" for k in range(classes))
    html = page(made(n=400, classes=names))
    widths = [
        int(w) for w in re.findall(r'class="chart" style="width:100%;max-width:(\d+)px', html)
    ]
    assert len(widths) >= 5 and max(widths) <= 9.3 * 96 + 1
    assert html.count("class number 1 with a rather long name") >= 1


def test_drawings_are_not_slowed_by_the_callable(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    original: Callable[..., Any] = CrossValidation.predicted.fget  # type: ignore[attr-defined]

    def counted(self: CrossValidation) -> tuple[str, ...]:
        calls.append(1)
        told: tuple[str, ...] = original(self)
        return told

    monkeypatch.setattr(CrossValidation, "predicted", property(counted))
    page(made())
    assert len(calls) < 20, "the likeliest class was worked out once per sample"
