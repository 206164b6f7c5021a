"""Hypotheses by their definitions: every sign, every exchange, every step of Holm."""

from __future__ import annotations

from itertools import permutations, product

from reference.association import spearman


def paired_correlations(rows):
    """Unit to Spearman's correlation of its (unit, quantity, measurement) rows."""
    out = {}
    for unit in sorted({row[0] for row in rows}):
        mine = [row for row in rows if row[0] == unit]
        out[unit] = spearman([row[1] for row in mine], [row[2] for row in mine])
    return out


def paired_differences(rows, above):
    """Unit to mean measurement of rows above less that of the others."""
    out = {}
    for unit in sorted({row[0] for row in rows}):
        high = [m for u, q, m in rows if u == unit and q > above]
        low = [m for u, q, m in rows if u == unit and q <= above]
        out[unit] = sum(high) / len(high) - sum(low) / len(low)
    return out


def sign_p(effects):
    """Share of all signs under which the mean is at least as far from 0."""
    observed = abs(sum(effects))
    every = [
        abs(sum(s * e for s, e in zip(signs, effects, strict=True)))
        for signs in product((1, -1), repeat=len(effects))
    ]
    return sum(value >= observed - 1e-12 for value in every) / len(every)


def exchange_p(beside, measured):
    """Share of all orders under which the rank correlation is at least as far from 0."""
    observed = abs(spearman(beside, measured))
    every = [abs(spearman(order, measured)) for order in permutations(beside)]
    return sum(value >= observed - 1e-12 for value in every) / len(every)


def holm_rejected(p, alpha):
    """Reject the smallest p while it lies within alpha over those that are left."""
    left = sorted(range(len(p)), key=lambda k: p[k])
    out = set()
    while left and p[left[0]] <= alpha / len(left):
        out.add(left.pop(0))
    return out
