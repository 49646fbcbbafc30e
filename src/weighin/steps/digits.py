"""How many digits a figure supports: no more than its 95 % interval does."""

import math


def decimals(value: float, low: float, high: float) -> int:
    """Decimal places a 95 % interval supports: two digits of its shorter arm where they start below 3, else one."""
    arm = min(high - value, value - low)
    if arm < (high - low) / 20:  # as at 100 %, where an interval has one arm only
        arm = (high - low) / 2
    power = math.floor(math.log10(arm))
    return -power + (arm / 10**power < 3)


def rounded(value: float, places: int) -> str:
    """``1,284`` or ``0.931``; places below 0 round to tens."""
    return f"{round(value, places) + 0.0:,.{max(0, places)}f}"


def roughly(count: float) -> str:
    """An extrapolated count to two digits: ``82,000``."""
    return rounded(count, min(0, 1 - math.floor(math.log10(max(count, 1)))))


def times(factor: float) -> str:
    """``4.6``, or ``12`` from ten on."""
    return rounded(factor, 1 if factor < 9.95 else 0)
