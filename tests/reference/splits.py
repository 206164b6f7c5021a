"""What a split must satisfy, said slowly."""

from __future__ import annotations

from itertools import product


def shared_groups(folds, groups):
    """Groups that lie in more than one fold."""
    seen: dict[str, set[int]] = {}
    for fold, group in zip(folds, groups, strict=True):
        seen.setdefault(str(group), set()).add(int(fold))
    return sorted(group for group, where in seen.items() if len(where) > 1)


def missing_classes(folds, labels, k):
    """Pairs of fold and class where the fold holds no sample of the class."""
    missing = []
    for fold in range(k):
        held = {str(label) for each, label in zip(folds, labels, strict=True) if each == fold}
        missing += [(fold, name) for name in sorted({str(x) for x in labels}) if name not in held]
    return missing


def fewest_missing(labels, groups, k):
    """The fewest missing pairs over every possible assignment of groups to folds."""
    names = sorted({str(group) for group in groups})
    best = None
    for assignment in product(range(k), repeat=len(names)):
        where = dict(zip(names, assignment, strict=True))
        folds = [where[str(group)] for group in groups]
        count = len(missing_classes(folds, labels, k))
        best = count if best is None else min(best, count)
    return best


def is_even(chosen, groups):
    """No group gives two more than another that still has samples left."""
    groups = [str(group) for group in groups]
    taken = dict.fromkeys(groups, 0)
    for position in chosen:
        taken[groups[position]] += 1
    left = {name for name in taken if taken[name] < groups.count(name)}
    return all(taken[a] - taken[b] <= 1 for a in taken for b in left)
