"""Integers of any length as people read them."""

EXACT_BELOW = 10**12
"""Shorter numbers are written out."""

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def grouped(number: int | str) -> str:
    """Return every digit, in groups of three."""
    return f"{int(number):,}"


def short(number: int | str) -> str:
    """Return every digit of a short number, and `4.40×10¹²` for a long one (cut off, not rounded)."""
    value = int(number)
    if value < EXACT_BELOW:
        return grouped(value)
    digits = str(value)
    exponent = str(len(digits) - 1).translate(_SUPERSCRIPTS)
    return f"{digits[0]}.{digits[1:3]}×10{exponent}"


def share(part: int | str, whole: int | str) -> float:
    """Return `part / whole`, which may both exceed what a float holds; 0 of nothing."""
    return int(part) / int(whole) if int(whole) else 0.0


def share_text(value: float) -> str:
    """Return a share in percent; one that would round to nothing keeps its magnitude."""
    if 0 < value < 0.0005:
        return f"{100 * value:.1e} %"
    return f"{value:.1%}".replace("%", " %")
