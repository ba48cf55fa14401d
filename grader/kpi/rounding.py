"""Rounding as on paper: a half goes up. Exact whole-number arithmetic, never binary fractions."""

from decimal import Decimal
from fractions import Fraction


def half_up(value: Fraction, decimals: int) -> Decimal:
    """A number of 0 or more with so many decimals; a half of the last one is rounded up."""
    return Decimal(scaled_half_up(value.numerator, value.denominator, decimals)).scaleb(-decimals)


def scaled_half_up(numerator: int, denominator: int, decimals: int) -> int:
    """The quotient of two numbers of 0 or more, in units of its last decimal: 2/3 with two decimals is 67."""
    unit: int = 10**decimals
    return (2 * numerator * unit + denominator) // (2 * denominator)
