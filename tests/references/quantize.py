"""Wei et al. 2018 in loops: one value, one element of the dictionary at a time."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def quantize_value(value: Fraction, step: Fraction, signed: bool = False) -> Fraction:
    """The beta of D with (alpha + beta) / 2 < f <= (beta + gamma) / 2, exactly.

    The smallest element has no neighbour below it, so everything up to s / 2 gives 0.
    """
    if signed and value < 0:
        return -quantize_value(-value, step)
    beta = Fraction(0)
    while value > beta + step / 2:
        beta += step
    return beta


def quantize_array(values: Array, step: float, signed: bool = False) -> Array:
    """Each element of an array; floats are taken as the exact numbers that they are."""
    out = np.zeros_like(values)
    for index in np.ndindex(*values.shape):
        found = quantize_value(Fraction(float(values[index])), Fraction(step), signed)
        out[index] = float(found)
    return out
