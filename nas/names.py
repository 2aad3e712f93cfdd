"""Names by which runs, spaces, datasets and benchmarks are called."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

_NAME = "[a-z0-9][a-z0-9._-]{0,99}"
# Nine digits stay below what a version number can be.
REFERENCE_PATTERN = f"^{_NAME}(@[0-9]{{1,9}})?$"

Name = Annotated[str, Field(pattern=f"^{_NAME}$")]
Reference = Annotated[str, Field(pattern=REFERENCE_PATTERN)]
BenchmarkColumnName = Annotated[
    str, Field(pattern="^([A-Za-z0-9][A-Za-z0-9._-]{0,99}/)?accuracy$")
]


def _without_controls(text: str) -> str:
    for letter in text:
        if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(f"must be one line of text, and holds {letter!a}")
    return text


RunName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_without_controls),
]
"""What people call a run: one line, without space around it."""
