"""Between the values of a form's inputs and the document they describe."""

from collections.abc import Mapping, Sequence
from typing import Any

from frontend.forms.fields import Choice, Group, Leaf, Node, leaves

Values = Mapping[str, Any]  # Any: what an input of the browser holds
MISSING = object()


def assemble(node: Node, values: Values) -> Any:  # Any: JSON
    """Build the document (or the part under `node`) from input values by key.

    An empty input gives null where that is allowed, and is left out elsewhere, so that the
    validation names the field. Text that is no number is passed on as it is, for the same reason.
    """
    if isinstance(node, Leaf):
        return _scalar(node, values.get(node.key))
    if isinstance(node, Group):
        built = {child.path[-1]: assemble(child, values) for child in node.children}
        if node.nullable and all(_is_empty(value) for value in built.values()):
            return None
        return {name: value for name, value in built.items() if value is not MISSING}
    chosen = values.get(node.kind_key)
    if node.several:
        return [_strategy(node, kind, values) for kind in chosen or ()]
    if not chosen:
        return None if node.nullable else MISSING
    return _strategy(node, chosen, values)


def spread(node: Node, document: Any) -> dict[str, Any]:  # Any: JSON
    """Return the input values, by key, that show `document`; the inverse of `assemble`."""
    if isinstance(node, Leaf):
        return {node.key: _shown(node, document)}
    if isinstance(node, Group):
        if document is None:
            return _defaults(node)
        return {
            key: value
            for child in node.children
            if child.path[-1] in document
            for key, value in spread(child, document[child.path[-1]]).items()
        }
    return _chosen(node, document)


def field_of(
    form: Group,
    location: Sequence[int | str],
    document: Any = None,  # Any: JSON
) -> str | None:
    """Return the key of the input that a validation error points at.

    Args:
        form: the whole form.
        location: of the error in the document; the kinds that pydantic puts into a location
            inside a tagged union are understood, and so is a location without them.
        document: what was refused; without it a location without kinds is taken to be in the
            first kind that has such a field.

    Returns:
        None if the location is a group or the whole document, which have no input.
    """
    found = _follow(form, tuple(location), document)
    if isinstance(found, Leaf):
        return found.key
    return found.kind_key if isinstance(found, Choice) else None


def _chosen(node: Choice, document: Any) -> dict[str, Any]:
    """Spread the chosen strategies, and the defaults of those that may be chosen next."""
    parts = document if node.several else [] if document is None else [document]
    kinds = [part["kind"] for part in parts]
    values: dict[str, Any] = {node.kind_key: kinds if node.several else (kinds or [None])[0]}
    for kind, variant in node.variants.items():
        if kind not in kinds:
            values |= {leaf.key: _shown(leaf, leaf.default) for leaf in leaves(variant)}
    for part in parts:
        if part["kind"] in node.variants:
            values |= spread(node.variants[part["kind"]], part)
    return values


def _defaults(group: Group) -> dict[str, Any]:
    """Return what shows a group that is null: inputs of its own empty, its strategies ready."""
    values: dict[str, Any] = {}
    for child in group.children:
        values |= {child.key: None} if isinstance(child, Leaf) else spread(child, None)
    return values


def _shown(leaf: Leaf, document: Any) -> Any:
    if leaf.words:
        return _either(document)
    if leaf.repeated and isinstance(document, Sequence) and not isinstance(document, str):
        return _joined(document) if leaf.grouped else _listed(document)
    return document


def _is_empty(value: Any) -> bool:
    return value is MISSING or value in (None, False)


def _strategy(node: Choice, kind: str, values: Values) -> dict[str, Any]:
    variant = node.variants.get(kind)
    return {"kind": kind, **(assemble(variant, values) if variant else {})}


def _scalar(leaf: Leaf, value: Any) -> Any:
    if leaf.scalar == "boolean" and not leaf.repeated:
        return bool(value)
    if value is None or value == "":
        return None if leaf.nullable else MISSING
    if leaf.grouped:
        return [_elements(leaf, part) for part in str(value).split(";") if part.strip()]
    if leaf.words and str(value).strip() in leaf.words:
        return str(value).strip()
    if leaf.repeated or (leaf.words and "," in str(value)):
        return _elements(leaf, str(value))
    return _number(leaf, value)


def _elements(leaf: Leaf, text: str) -> list[Any]:
    return [_number(leaf, part.strip()) for part in text.split(",") if part.strip()]


def _either(document: Any) -> str:
    """Show a number, a list of numbers, or a word; a comma tells a list of one from a number."""
    if isinstance(document, Sequence) and not isinstance(document, str):
        return _listed(document) if len(document) > 1 else f"{_listed(document)},"
    return "" if document is None else str(document)


def _listed(elements: Sequence[Any]) -> str:
    return ", ".join(str(element) for element in elements)


def _joined(groups: Sequence[Any]) -> str:
    return "; ".join(
        str(group) if isinstance(group, str) or not isinstance(group, Sequence) else _listed(group)
        for group in groups
    )


def _number(leaf: Leaf, value: Any) -> Any:
    if not isinstance(value, str) or leaf.scalar == "string":
        return value
    convert = int if leaf.scalar == "integer" else float
    try:
        return convert(value)
    except ValueError:
        return value


def _follow(
    node: Node,
    location: tuple[int | str, ...],
    document: Any,  # Any: JSON
) -> Node:
    """Return the node of a location below `node`, of which `document` is the value."""
    if not location or isinstance(node, Leaf):
        return node
    head, rest = location[0], location[1:]
    if isinstance(node, Group):
        child = next((child for child in node.children if child.path[-1] == head), None)
        return node if child is None else _follow(child, rest, _value(document, head))
    if isinstance(head, int):
        return _follow(node, rest, _value(document, head))
    if head in node.variants:
        inner = _follow(node.variants[str(head)], rest, document)
        return node if isinstance(inner, Group) and inner is node.variants[head] else inner
    return _without_kind(node, location, document)


def _without_kind(
    node: Choice,
    location: tuple[int | str, ...],
    document: Any,  # Any: JSON
) -> Node:
    chosen = node.variants.get(_value(document, "kind"))
    for variant in node.variants.values() if chosen is None else (chosen,):
        inner = _follow(variant, location, document)
        if inner is not variant:
            return inner
    return node


def _value(document: Any, place: int | str) -> Any:  # Any: JSON
    """Return what stands at a place of a document, None if nothing does."""
    if isinstance(document, Mapping):
        return document.get(place)
    if isinstance(document, Sequence) and not isinstance(document, str):
        return document[place] if isinstance(place, int) and place < len(document) else None
    return None
