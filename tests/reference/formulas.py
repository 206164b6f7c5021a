"""Slow definitions: every formula there is, tried one by one."""

from __future__ import annotations

from itertools import product


def joined(operator, a, b):
    if operator == "/":
        return a / b
    return {"+": a + b, "-": a - b, "x": a * b}[operator]


def balanced(called, own):
    """Mean of the share of the class that is called and the share of the rest that is not."""
    inside = [c for c, y in zip(called, own, strict=True) if y]
    outside = [not c for c, y in zip(called, own, strict=True) if not y]
    return (sum(inside) / len(inside) + sum(outside) / len(outside)) / 2


def clauses(values):
    """Every set of rows that a comparison of these values with a number can call."""
    out = []
    for cut in sorted(set(values))[:-1]:
        out.append([value > cut for value in values])
        out.append([value <= cut for value in values])
    return out


def best_single(columns, own):
    return max(balanced(rows, own) for each in columns.values() for rows in clauses(each))


def best_term_of_two(columns, own, operators):
    best = 0.0
    for (a, x), (b, y) in product(columns.items(), repeat=2):
        for operator in operators if a != b else ():
            values = [joined(operator, p, q) for p, q in zip(x, y, strict=True)]
            best = max([best, *(balanced(rows, own) for rows in clauses(values))])
    return best


def best_pair_of_clauses(columns, own):
    every = [rows for each in columns.values() for rows in clauses(each)]
    best = 0.0
    for a, b in product(every, repeat=2):
        pairs = list(zip(a, b, strict=True))
        best = max(best, balanced([p and q for p, q in pairs], own))
        best = max(best, balanced([p or q for p, q in pairs], own))
    return best
