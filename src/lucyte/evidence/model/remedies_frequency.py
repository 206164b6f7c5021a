"""The remedy against frequency shortcuts: the band is mixed between classes while training."""

from __future__ import annotations

import math

from lucyte.evidence.model.frequency_exchange import exchange_band
from lucyte.evidence.model.frequency_lines import SHOWN, line_mask, line_spectra, strongest_lines
from lucyte.evidence.model.frequency_maps import Asked
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.learn.invariant_frequency import FrequencyMixing
from lucyte.learn.splits import best_folds, even_sample, group_folds
from lucyte.schema.finding import Finding, Verdict


def frequency_remedy(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Train again with the band of largest class difference mixed between classes.

    Returns
    -------
    list of Finding
        ``remedy.frequency_mixing``: reliance on the band and AUROC, before and after, in units
        that neither model saw; empty without a learner.
    """
    if subject.learner is None:
        return []
    cells = subject.crops.of_kind("cell")
    cells = cells.take(even_sample(cells.groups, settings.most_crops, settings.seed))
    possible, why_few = best_folds(cells.labels, cells.groups, 2)
    question = "Does mixing the band between classes keep a model from reading it?"
    if possible < 2:
        return [not_measured("remedy.frequency_mixing", question, why_few, cells.unit)]
    half = group_folds(cells.labels, cells.groups, 2, settings.seed)
    train, test = cells.take(half == 0), cells.take(half == 1)
    lines = strongest_lines(line_spectra(train.crops), train.labels, train.channels, SHOWN)
    mask = line_mask(lines, train.crops.shape[1:])
    mixing = FrequencyMixing(subject.learner, mask)
    followed, aurocs = [], []
    for learner in (subject.learner, mixing):
        model = learner.fit(train.crops, train.labels, train.groups, settings.seed)
        asked = Asked(model, test)
        followed.append(exchange_band(asked, mask, settings.seed))
        aurocs.append(asked.told(asked.logits(asked.light)).auroc)
    before, after = followed
    if before is None or after is None or not before.units:
        why = "the model does not tell the classes apart, or a class has one unit in a half"
        return [not_measured("remedy.frequency_mixing", question, why, cells.unit)]
    was, now = before.reliance.estimate, after.reliance.estimate if after.units else 0.0
    seen = (
        f"Reliance on {mask.mean():.1%} of the frequencies goes from {was:.0%} to {now:.0%}, AUROC "
        f"in {cells.unit}s left out from {aurocs[0]:.2f} to {aurocs[1]:.2f}"
    )
    verdict: Verdict = "inconclusive"
    if was < settings.reliance:
        rest = "there was little to take away"
    elif abs(now) < settings.reliance:
        verdict, rest = "pass", "the band no longer decides"
    elif now > was / 2:
        verdict, rest = "fail", "the model still reads the band"
    else:
        rest = "less, yet not little"
    details = {
        "before": {"reliance": was, "per_unit": before.units, "auroc": aurocs[0]},
        "after": {"reliance": now, "per_unit": after.units, "auroc": aurocs[1]},
        "lines": [line.to_json() for line in lines],
        "reviewer": (
            "Band chosen and both models trained on one half of the units; Fourier amplitude of "
            "the band drawn anew from crops of all classes alike; amplitude exchange in the other "
            "half."
        ),
    }
    return [
        Finding(
            name="remedy.frequency_mixing",
            question=question,
            verdict=verdict,
            statistic=now,
            low=after.reliance.low,
            high=after.reliance.high,
            n=before.reliance.n,
            unit=cells.unit,
            assumed=(f"{cells.unit}s are independent",),
            why=f"{seen}: {rest}.",
            statistic_name="reliance after",
            details=details,
        )
    ]


def not_measured(name: str, question: str, why: str, unit: str) -> Finding:
    """The Finding of a remedy that could not be tried."""
    return Finding(
        name=name,
        question=question,
        verdict="inconclusive",
        statistic=math.nan,
        low=None,
        high=None,
        n=0,
        unit=unit,
        assumed=(),
        why=f"The remedy could not be measured: {why.rstrip('.')}.",
    )
