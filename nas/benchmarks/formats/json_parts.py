"""What JSON documents and JSON lines have in common: their header, and how numbers are read."""

import json
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from nas.benchmarks.columns import Column, make_column
from nas.benchmarks.contents import Given, Header
from nas.errors import InvalidBenchmark

MAX_SAID = 300
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


class ColumnPart(BaseModel):
    """One column of results."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    metric: str
    dataset: str | None = None
    unit: str | None = None
    seeds: tuple[Seed, ...] = ()
    noise_ceiling: float | None = Field(None, ge=-1, le=1)

    def column(self) -> Column:
        """Return what it stands for. Raises `InvalidBenchmark`."""
        made = make_column(self.metric, self.dataset, self.unit, self.seeds)
        return Column(made.metric, made.dataset, made.unit, made.seeds, self.noise_ceiling)


class HeaderPart(BaseModel):
    """What comes before the rows."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    columns: tuple[ColumnPart, ...]
    space: str | None = None
    truth: str | None = None
    recipe: dict[str, JsonValue] = Field(default_factory=dict)

    def header(self) -> Header:
        """Return what it stands for. Raises `InvalidBenchmark`."""
        return Header(
            tuple(part.column() for part in self.columns), self.truth, self.space, self.recipe
        )


def parsed(text: str | bytes, place: str) -> dict[str, Any]:  # Any: JSON values
    """Return a JSON object in which no key is there twice and every number is finite.

    Raises:
        InvalidBenchmark: naming the place.
    """
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except InvalidBenchmark as error:
        raise InvalidBenchmark(f"{place}: {error}") from error
    # UnicodeDecodeError is one of the former; deeper nesting than the parser goes is the latter.
    except (ValueError, RecursionError) as error:
        raise InvalidBenchmark(f"{place}: is not JSON: {str(error)[:MAX_SAID]}") from error
    if not isinstance(found, dict):
        raise InvalidBenchmark(f"{place}: an object is needed, such as {{...}}")
    return found


def read_header(document: dict[str, Any], place: str) -> Header:  # Any: JSON values
    """Return the header that an object holds.

    Raises:
        InvalidBenchmark: naming the place and the field.
    """
    try:
        return HeaderPart.model_validate(document).header()
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise InvalidBenchmark(f"{place}: {field}: {first['msg']}") from error
    except InvalidBenchmark as error:
        raise InvalidBenchmark(f"{place}: {error}") from error


def given(value: object, place: str) -> Given:
    """Return a cell: a number, null, or a list of these.

    Raises:
        InvalidBenchmark: naming the place.
    """
    if isinstance(value, list):
        return [_number(item, place) for item in value]
    return _number(value, place)


def _number(value: object, place: str) -> float | None:
    if value is None:
        return None
    # To Python the truth values are numbers too.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidBenchmark(
            f"{place}: {str(value)[:100]!r} is no number; write null where nothing is known"
        )
    try:
        return float(value)
    except OverflowError as error:
        raise InvalidBenchmark(f"{place}: a number of {len(str(value))} digits") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: JSON values
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        first = next(name for name in names if names.count(name) > 1)
        places = [str(place) for place, name in enumerate(names, start=1) if name == first]
        raise InvalidBenchmark(f"{first!r} is there twice, as entries {' and '.join(places)}")
    return found


def _no_number(name: str) -> NoReturn:
    raise InvalidBenchmark(f"{name} is no number; write null where nothing is known")
