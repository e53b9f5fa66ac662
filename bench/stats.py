# SPDX-License-Identifier: GPL-2.0-or-later
"""The arithmetic of make bench; checked on known inputs by dev/checks/bench."""
import math
from statistics import median

__all__ = ['best', 'median', 'spread', 'stable', 'steady', 'geomean', 'worst']

best = min


def spread(samples):
    """How far the median is above the best, as a share of the best."""
    return (median(samples) - min(samples)) / min(samples) if min(samples) else 0.0


def stable(a, b, limit=0.05):
    """Whether two halves of samples taken in turn agree on the ratio of the bests."""
    if len(a) < 2 or len(b) < 2:
        return False
    first, second = (min(a[i::2]) / min(b[i::2]) for i in (0, 1))
    return abs(first - second) <= limit * min(first, second)


def steady(samples, limit=0.05):
    """Whether that holds for the samples of several ways, each against the next."""
    return all(stable(a, b, limit) for a, b in zip(samples, samples[1:]))


def geomean(values):
    """Geometric mean, None of nothing."""
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs)) if logs else None


def worst(rows, field, count=1):
    """The rows with the smallest numbers in a field; a field may be empty."""
    return sorted((r for r in rows if r[field]), key=lambda r: float(r[field]))[:count]
