"""How named things are written in a spec."""

from typing import Annotated

from pydantic import Field

_NAME = "[a-z0-9][a-z0-9._-]{0,99}"
# Nine digits stay below what a version number can be.
REFERENCE_PATTERN = f"^{_NAME}(@[0-9]{{1,9}})?$"

Name = Annotated[str, Field(pattern=f"^{_NAME}$")]
Reference = Annotated[str, Field(pattern=REFERENCE_PATTERN)]
