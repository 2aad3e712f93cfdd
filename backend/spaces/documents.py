"""Definitions of search spaces as people write them: JSON or YAML text, judged place by place."""

import json
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import yaml
from fastapi import Depends, Request
from pydantic import TypeAdapter, ValidationError

from backend.errors import ApiError
from backend.validation import field_errors, sentence
from nas.spaces import AnySpace
from nas.spaces.base import Space

MAX_BYTES = 2**20
MAX_NODES = 100_000
"""Values in a YAML text; a few aliases of aliases make a small one enormous."""
JSON = "application/json"
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")

SPACE: TypeAdapter[Space] = TypeAdapter(AnySpace)


class BadDefinition(ApiError):
    """Text that defines no search space.

    Attributes:
        errors: each with `field`, a dotted path or empty, and `message`.
        line: where the text cannot be read, counted from 1; None if it can.
    """

    def __init__(self, errors: list[dict[str, str]], line: int | None = None) -> None:
        super().__init__(sentence(errors), 422, errors=errors)
        self.errors = errors
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """The body of a request.

    Attributes:
        content: as sent.
        is_yaml: whether its content type says so; it is JSON otherwise.
    """

    content: bytes
    is_yaml: bool

    def space(self) -> Space:
        """Return the search space it defines. Raises `BadDefinition`."""
        try:
            text = self.content.decode()
        except UnicodeDecodeError as error:
            raise _whole(f"the text is not UTF-8: {error.reason} at byte {error.start}") from None
        return parse_yaml(text) if self.is_yaml else parse_json(text)


async def _document(request: Request) -> Document:
    """Read the body, as far as a definition may be long."""
    content_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if content_type != JSON and content_type not in YAML_TYPES:
        raise ApiError(
            f"The content type {content_type!r} is neither {JSON} nor {YAML_TYPES[0]}.", 415
        )
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BYTES:
            raise _whole(
                f"the definition is longer than {MAX_BYTES:,} bytes (1 MiB), the most that a "
                "search space may have"
            )
    return Document(bytes(content), is_yaml=content_type in YAML_TYPES)


DefinitionBody = Annotated[Document, Depends(_document)]


def parse_json(text: str) -> Space:
    """Return the search space that JSON text defines. Raises `BadDefinition`."""
    try:
        document = json.loads(text, object_pairs_hook=_Object)
    except json.JSONDecodeError as error:
        raise _whole(
            f"line {error.lineno}, column {error.colno}: the text is not JSON: {error.msg}"
        ) from None
    except ValueError:
        # The only other one: Python refuses to read a number of thousands of digits.
        raise _whole("the text holds a number of too many digits") from None
    except RecursionError:
        raise _whole("the text is nested too deeply") from None
    repeated = _repeated_key(document)
    if repeated is not None:
        raise BadDefinition([{"field": repeated, "message": "is written twice"}])
    return validated(document)


def parse_yaml(text: str) -> Space:
    """Return the search space that YAML or JSON text defines. Raises `BadDefinition`."""
    if len(text.encode()) > MAX_BYTES:
        raise _whole(f"the definition is longer than {MAX_BYTES:,} bytes (1 MiB)")
    try:
        document = _load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "the text is not YAML"
        if mark is None:
            raise _whole(reason) from None
        line = mark.line + 1
        raise _whole(f"line {line}, column {mark.column + 1}: {reason}", line) from None
    except (yaml.YAMLError, ValueError) as error:
        raise _whole(f"the text is not YAML: {error}") from None
    except RecursionError:
        raise _whole("the text is nested too deeply") from None
    return validated(document)


def yaml_text(space: Space) -> str:
    """Return a definition as YAML, without what is left at its default."""
    written = space.model_dump(mode="json", exclude_defaults=True)
    document = {"kind": space.model_dump(include={"kind"})["kind"], **written}
    # A line per edge, but one per field of the skeleton.
    return "".join(
        yaml.safe_dump(
            {name: value},
            default_flow_style=None if isinstance(value, list) else False,
            sort_keys=False,
            width=MAX_BYTES,
        )
        for name, value in document.items()
    )


def line_of(text: str, field: str) -> int:
    """Return the line, counted from 1, that an error at a dotted path should be shown at.

    It is the line of the field, or of the nearest thing around it that is there.
    """
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_PlainLoader)
    except (yaml.YAMLError, RecursionError):
        return 1
    line = 1
    for part in field.split(".") if field else ():
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == part), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdecimal():
            if int(part) >= len(node.value):
                break
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            break
    return line


def validated(document: object) -> Space:
    """Return the search space that a document defines. Raises `BadDefinition`."""
    if not isinstance(document, Mapping):
        raise _whole("a search space is a mapping of fields, such as `kind: cell`")
    try:
        return SPACE.validate_python(document)
    except ValidationError as error:
        raise BadDefinition(field_errors(error.errors(include_url=False), document)) from None


class _Object(dict[str, Any]):  # Any: JSON values
    """A JSON object that knows its first repeated key; the JSON reader keeps the last value."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated: str | None = None
        if len(self) < len(pairs):
            times = Counter(key for key, _ in pairs)
            self.repeated = next(key for key, _ in pairs if times[key] > 1)


def _repeated_key(document: object) -> str | None:
    """Return the dotted path of the first key that is written twice, if there is one."""
    places: list[tuple[tuple[str, ...], object]] = [((), document)]
    while places:
        path, value = places.pop()
        children: list[tuple[str, object]] = []
        if isinstance(value, _Object):
            if value.repeated is not None:
                return ".".join((*path, value.repeated))
            children = list(value.items())
        elif isinstance(value, list):
            children = [(str(index), child) for index, child in enumerate(value)]
        places += [((*path, name), child) for name, child in reversed(children)]
    return None


def _load(text: str) -> object:
    """Read YAML, whose aliases must not make much more of it than stands there."""
    loader = _PlainLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _num_nodes(node, {}) > MAX_NODES:
            raise yaml.MarkedYAMLError(
                problem=f"aliases make more than {MAX_NODES:,} values of the text",
                problem_mark=node.start_mark,
            )
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _num_nodes(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values a node stands for, those behind aliases each time anew.

    Args:
        node: where to start.
        known: numbers found before, by identity; a node that is inside itself counts as too many.
    """
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MAX_NODES + 1
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        children = [child for pair in node.value for child in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    known[id(node)] = 1 + sum(_num_nodes(child, known) for child in children)
    return known[id(node)]


class _PlainLoader(yaml.SafeLoader):
    """Refuses a key that is written twice; PyYAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key} is written twice", key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)


def _whole(message: str, line: int | None = None) -> BadDefinition:
    return BadDefinition([{"field": "", "message": message}], line)
