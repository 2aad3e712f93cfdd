"""Python source laid out as formatters do by default, so that they leave it unchanged.

What fits into a line stands in one; else what is inside the brackets stands in one of its own, and
else every part of it. Nothing here has parts that are longer than a line.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

WIDTH = 88
"""Columns, the default of Black and Ruff."""

STEP = 4
"""Columns of one level of indentation."""


def expression(text: str, indent: int = 0) -> list[str]:
    """Return the lines of a statement or element that ends with a call, or needs one line alone.

    Args:
        text: in one line; what follows its last closing bracket stays behind it.
        indent: columns before it.
    """
    space = " " * indent
    if len(space + text) <= WIDTH:
        return [space + text]
    start, opening, rest = text.partition("(")
    inside, closing, end = rest.rpartition(")")
    return _bracketed(f"{start}{opening}", _arguments(inside), f"{closing}{end}", indent)


def assigned_sum(name: str, terms: Sequence[str], indent: int) -> list[str]:
    """Return the lines that set a name to a sum."""
    space, inner = " " * indent, " " * (indent + STEP)
    text = " + ".join(terms)
    if len(f"{space}{name} = {text}") <= WIDTH:
        return [f"{space}{name} = {text}"]
    if len(inner + text) <= WIDTH:
        held = [inner + text]
    else:
        held = [f"{inner}{'+ ' if number else ''}{term}" for number, term in enumerate(terms)]
    return [f"{space}{name} = (", *held, f"{space})"]


def assigned_list(name: str, items: Sequence[str]) -> list[str]:
    """Return the lines that set a name of the module to a list."""
    text = f"{name} = [{', '.join(items)}]"
    if len(text) <= WIDTH:
        return [text]
    return _bracketed(f"{name} = [", items, "]", 0)


def elements(texts: Sequence[str], indent: int) -> Iterator[str]:
    """Yield the lines of elements, one under the other, each with its comma.

    Repetitions that follow each other are written once, where that fits into a line.
    """
    for text, group in groupby(texts):
        number = len(list(group))
        repeated = f"*({text} for _ in range({number})),"
        if number > 1 and len(repeated) + indent <= WIDTH:
            yield " " * indent + repeated
        else:
            for _ in range(number):
                yield from expression(f"{text},", indent)


def _bracketed(start: str, parts: Sequence[str], end: str, indent: int) -> list[str]:
    space, inner = " " * indent, " " * (indent + STEP)
    together = inner + ", ".join(parts)
    if start.endswith("(") and len(together) <= WIDTH:
        held = [together]
    else:
        held = [f"{inner}{part}," for part in parts]
    return [space + start, *held, space + end]


def _arguments(text: str) -> list[str]:
    """Split at the commas that stand inside no further brackets."""
    found, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return [part.strip() for part in found]
