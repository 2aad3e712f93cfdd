"""JSON schema -> a tree of fields, as pydantic writes the schema of a frozen model.

It knows the shapes that specs are made of: scalars (also nullable), lists of scalars and
lists of those, a number or a list of them or a word, groups (also nullable), a strategy chosen by `kind` (also nullable), and a list of such strategies. A shape it does not know
is an error, so that no parameter is silently missing from a form.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Schema = Mapping[str, Any]  # Any: JSON
ScalarType = Literal["integer", "number", "string", "boolean"]
SCALARS: tuple[ScalarType, ...] = ("integer", "number", "string", "boolean")
NUMBERS = ("integer", "number")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One input.

    Attributes:
        key: unique in the form; a strategy's parameters carry its kind in brackets, unless all kinds
            have them.
        path: place in the document.
        scalar: type of the value, or of each element when `repeated`.
        grouped: whether the elements are lists themselves.
        nullable: whether an empty input means null rather than a missing value.
        minimum: smallest allowed value, `exclusive` ones included; None for none.
        options: the allowed values, empty for any.
        words: not empty where the value is a number, a list of numbers, or one of these.
        default: JSON that the schema puts in the place of a missing value.
    """

    key: str
    path: tuple[str, ...]
    title: str
    description: str
    required: bool
    scalar: ScalarType
    repeated: bool
    grouped: bool
    nullable: bool
    minimum: float | None
    maximum: float | None
    bounds: str
    options: tuple[str, ...]
    words: tuple[str, ...] = ()
    default: Any = None


@dataclass(frozen=True, slots=True)
class Group:
    """Fields under one heading.

    Attributes:
        nullable: whether all of them empty mean null.
    """

    key: str
    path: tuple[str, ...]
    title: str
    description: str
    children: tuple["Node", ...]
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy: its kind, and the parameters of the chosen kind.

    Attributes:
        several: whether any number of kinds is chosen, making a list.
        nullable: whether none may be chosen, which means null.
        common: what every kind has alike; each variant begins with the same nodes.
    """

    key: str
    path: tuple[str, ...]
    title: str
    description: str
    several: bool
    nullable: bool
    variants: Mapping[str, Group]
    common: tuple["Node", ...] = ()

    def own(self, kind: str) -> Group:
        """Return what one kind has and others have not, or have otherwise."""
        variant = self.variants[kind]
        return replace(variant, children=variant.children[len(self.common) :])

    @property
    def kind_key(self) -> str:
        """The key of the input that names the kind (or kinds)."""
        return f"{self.key}.kind"


Node = Leaf | Group | Choice


def form_of(schema: Schema) -> Group:
    """Read the schema of a whole document.

    Raises:
        TypeError: at a shape this module does not know, naming the field.
    """
    return _Reader(schema.get("$defs", {})).group(schema, "", (), "")


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and everything below it, parents first."""
    yield node
    if isinstance(node, Group):
        for child in node.children:
            yield from walk(child)
    elif isinstance(node, Choice):
        for child in node.common:
            yield from walk(child)
        for kind in node.variants:
            yield from walk(node.own(kind))


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the inputs below `node`, without those that name a kind."""
    return (found for found in walk(node) if isinstance(found, Leaf))


WORDS = {"subspaces": "sub-spaces", "flops": "FLOPs"}
"""How people write words that names spell otherwise."""


def humanised(name: str) -> str:
    """Turn `warm_up_steps` into `Warm-up steps`, and `num_parents` into `Number of parents`."""
    words = " ".join(WORDS.get(word, word) for word in name.split("_") if word)
    words = words.replace("warm up", "warm-up")
    if words.startswith("num "):
        words = f"number of {words[4:]}"
    return words[:1].upper() + words[1:]


class _Reader:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def group(self, schema: Schema, key: str, path: tuple[str, ...], title: str) -> Group:
        required, defaults = schema.get("required", ()), schema.get("default") or {}
        children = tuple(
            self._node(
                # What a whole says of its parts goes before what they say of themselves.
                {**child, "default": defaults[name]} if name in defaults else child,
                _below(key, name),
                (*path, name),
                name in required,
            )
            for name, child in schema.get("properties", {}).items()
            if not _is_kind(name, child)
        )
        return Group(key, path, title, _first_paragraph(schema), children)

    def _node(self, schema: Schema, key: str, path: tuple[str, ...], required: bool) -> Node:
        resolved, nullable = self._resolved(schema)
        if resolved.get("type") == "array":
            return self._array(resolved, key, path, required, nullable)
        variants = self._variants(resolved)
        if variants:
            return self._choice(resolved, variants, key, path, several=False, nullable=nullable)
        words = self._words(resolved)
        if words:
            number = next(one for one in resolved["oneOf"] if one.get("type") in NUMBERS)
            either = {**number, "description": resolved.get("description", "")}
            leaf = _leaf(either, key, path, required, nullable=nullable, repeated=False)
            return replace(leaf, words=words)
        if resolved.get("type") == "object" and "properties" in resolved:
            found = self.group(resolved, key, path, humanised(path[-1]))
            return replace(found, nullable=nullable)
        return _leaf(resolved, key, path, required, nullable=nullable, repeated=False)

    def _array(
        self, schema: Schema, key: str, path: tuple[str, ...], required: bool, nullable: bool
    ) -> Node:
        items, _ = self._resolved(schema["items"])
        variants = self._variants(items)
        if variants:
            return self._choice(schema, variants, key, path, several=True, nullable=nullable)
        grouped = items.get("type") == "array"
        if grouped:
            items, _ = self._resolved(items["items"])
        element = {
            **items,
            "description": schema.get("description", ""),
            "default": schema.get("default"),
        }
        return _leaf(
            element, key, path, required, nullable=nullable, repeated=True, grouped=grouped
        )

    def _choice(
        self,
        schema: Schema,
        variants: Mapping[str, Schema],
        key: str,
        path: tuple[str, ...],
        **form: bool,
    ) -> Choice:
        groups = {
            kind: self.group(variant, f"{key}[{kind}]", path, kind)
            for kind, variant in variants.items()
        }
        # Of several that are chosen, each has values of its own.
        common = () if form["several"] else self._common(variants, key, path)
        shared = {child.path for child in common}
        return Choice(
            key=key,
            path=path,
            title=humanised(path[-1]),
            description=schema.get("description", "") if len(variants) > 1 else "",
            several=form["several"],
            nullable=form["nullable"],
            variants={
                kind: replace(
                    group,
                    children=(
                        *common,
                        *(child for child in group.children if child.path not in shared),
                    ),
                )
                for kind, group in groups.items()
            },
            common=common,
        )

    def _common(
        self, variants: Mapping[str, Schema], key: str, path: tuple[str, ...]
    ) -> tuple[Node, ...]:
        """Return what all of several strategies have, to the last bound and default."""
        first, *others = (self.group(one, key, path, "").children for one in variants.values())
        return tuple(child for child in first if others and all(child in one for one in others))

    def _resolved(self, schema: Schema) -> tuple[Schema, bool]:
        """Follow references and take `null` out of a union; tell whether it was there."""
        if "$ref" in schema:
            target = self._definitions[schema["$ref"].removeprefix("#/$defs/")]
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            return {**target, **beside}, False
        union = schema.get("anyOf")
        if union is None:
            return schema, False
        others = [member for member in union if member.get("type") != "null"]
        if len(others) != 1:
            # A union of strategies may be written flat beside null.
            return {**schema, "oneOf": others}, len(others) < len(union)
        inner, _ = self._resolved(others[0])
        beside = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**inner, **beside}, True

    def _words(self, schema: Schema) -> tuple[str, ...]:
        """Return the words that may stand for a number or a list of numbers; empty if none may."""
        members = schema.get("oneOf", ())
        types = [member.get("type") for member in members if "const" not in member]
        if len(types) != 2 or types[1] != "array" or types[0] not in NUMBERS:
            return ()
        return tuple(member["const"] for member in members if "const" in member)

    def _variants(self, schema: Schema) -> dict[str, Schema]:
        """Return the strategies a schema allows by their kind; empty if it is none."""
        members = [self._resolved(member)[0] for member in schema.get("oneOf", (schema,))]
        kinds = [member.get("properties", {}).get("kind", {}).get("const") for member in members]
        return dict(zip(kinds, members, strict=True)) if all(kinds) else {}


def _is_kind(name: str, schema: Schema) -> bool:
    return name == "kind" and "const" in schema


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _first_paragraph(schema: Schema) -> str:
    return " ".join(schema.get("description", "").split("\n\n")[0].split())


def _leaf(
    schema: Schema,
    key: str,
    path: tuple[str, ...],
    required: bool,
    **form: bool,
) -> Leaf:
    options = [schema["const"]] if "const" in schema else schema.get("enum", [])
    scalar = schema.get("type")
    if scalar not in SCALARS:
        raise TypeError(f"{key}: no input for the schema {dict(schema)}")
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    return Leaf(
        key=key,
        path=path,
        title=humanised(path[-1]),
        description=schema.get("description", ""),
        required=required and not form["nullable"],
        scalar=scalar,
        repeated=form["repeated"],
        grouped=form.get("grouped", False),
        nullable=form["nullable"],
        minimum=low,
        maximum=high,
        bounds=_bounds(schema),
        options=tuple(str(option) for option in options),
        default=schema.get("default"),
    )


def _bounds(schema: Schema) -> str:
    parts = [
        f"{sign} {schema[name]:,}"
        for name, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if name in schema
    ]
    return ", ".join(parts)
