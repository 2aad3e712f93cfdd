"""Fields -> the inputs of the dashboard."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html

from frontend.forms.fields import Choice, Group, Leaf, Node

Component = Any  # Dash's components are generated, without a useful common type
# Descriptions differ in length: below the inputs they leave these in line.
ORDER = ["label", "input", "error", "description"]

# Shows the parameters of the chosen kinds, and with any kind those of all; hides the others.
SHOW_CHOSEN = """
(values) => {
    const chosen = {};
    dash_clientside.callback_context.inputs_list[0].forEach((input) => {
        chosen[input.id.key] = [].concat(input.value ?? []);
    });
    const variants = dash_clientside.callback_context.outputs_list;
    return variants.map(({id}) => {
        const kinds = chosen[id.of] ?? [];
        const shown = id.variant === "*" ? kinds.length > 0 : kinds.includes(id.variant);
        return shown ? {} : {display: "none"};
    });
}
"""


def field_id(key: str) -> dict[str, str]:
    """Return the component id of an input."""
    return {"type": "field", "key": key}


def flag_id(key: str) -> dict[str, str]:
    """Return the component id of a switch, whose value is called `checked`."""
    return {"type": "flag", "key": key}


def is_flag(node: Leaf) -> bool:
    """Tell whether an input is a switch."""
    return node.scalar == "boolean" and not node.repeated


class FormView:
    """Draws a form around given values.

    Args:
        values: input values by key.
        suggestions: by key, the values a free text may take; its input becomes a list to choose
            from.
        columns: of inputs, where the window is wide.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        suggestions: Mapping[str, Sequence[str]],
        columns: int = 3,
    ) -> None:
        self._values = values
        self._suggestions = suggestions
        self._columns = columns

    def sections(self, form: Group, own: str = "Experiment") -> list[Component]:
        """Return a card per group of the form.

        Args:
            form: the whole form.
            own: heading of the first card, which holds the form's own inputs.
        """
        plain = [child for child in form.children if isinstance(child, Leaf)]
        rest = [child for child in form.children if not isinstance(child, Leaf)]
        return [
            _card(own, form.description, self._inputs(plain)),
            *(_card(child.title, child.description, self._body(child)) for child in rest),
        ]

    def _body(self, node: Node) -> list[Component]:
        if isinstance(node, Choice):
            return self._choice(node, label="Kind", description="")
        assert isinstance(node, Group)
        plain = [child for child in node.children if isinstance(child, Leaf)]
        nested = [child for child in node.children if not isinstance(child, Leaf)]
        return [*self._inputs(plain), *(part for child in nested for part in self._nested(child))]

    def _nested(self, node: Node) -> list[Component]:
        if isinstance(node, Choice):
            return self._choice(node, label=node.title, description=_plain(node.description))
        body = self._body(node)
        return [
            dmc.Fieldset(
                [
                    *([_help(_plain(node.description))] if node.description else []),
                    *body,
                ],
                legend=node.title,
                mt="md",
            )
        ]

    def _choice(self, node: Choice, *, label: str, description: str) -> list[Component]:
        kinds = list(node.variants)
        common = {
            "id": field_id(node.kind_key),
            "label": label,
            "description": description,
            "inputWrapperOrder": ORDER,
            "data": kinds,
            "value": self._values.get(node.kind_key),
            "mt": "sm",
        }
        selector = (
            dmc.MultiSelect(**common, clearable=True)
            if node.several
            else dmc.Select(
                **common,
                clearable=node.nullable,
                allowDeselect=node.nullable,
                placeholder="none" if node.nullable else "",
            )
        )
        chosen = self._values.get(node.kind_key) or ()
        shown = chosen if node.several else (chosen,)
        whole = Group(node.key, node.path, node.title, "", node.common)
        return [
            selector,
            *(
                _variant(
                    node,
                    kind,
                    [_help(_plain(variant.description)), *self._body(node.own(kind))],
                    is_shown=kind in shown,
                )
                for kind, variant in node.variants.items()
            ),
            *(
                [_variant(node, "*", self._body(whole), is_shown=bool(chosen))]
                if node.common
                else []
            ),
        ]

    def _inputs(self, leaves: Sequence[Leaf]) -> list[Component]:
        if not leaves:
            return []
        return [
            dmc.SimpleGrid(
                [self._input(leaf) for leaf in leaves],
                cols={"base": 1, "sm": 2, "lg": self._columns},
                spacing="md",
                verticalSpacing="sm",
                mt="xs",
            )
        ]

    def _input(self, leaf: Leaf) -> Component:
        value = self._values.get(leaf.key)
        if is_flag(leaf):
            return dmc.Switch(
                id=flag_id(leaf.key),
                label=leaf.title,
                description=leaf.description,
                checked=bool(value),
                mt="lg",
            )
        common = {
            "id": field_id(leaf.key),
            "label": leaf.title,
            "description": _described(leaf),
            "value": value if value is not None else "",
            "withAsterisk": leaf.required,
            "inputWrapperOrder": ORDER,
        }
        options = leaf.options or tuple(self._suggestions.get(leaf.key, ()))
        if options:
            return _select(leaf, common, options)
        if leaf.scalar in ("integer", "number") and not leaf.repeated and not leaf.words:
            return dmc.NumberInput(
                **common,
                allowDecimal=leaf.scalar == "number",
                # A value out of bounds is said to be so, not silently changed into another.
                clampBehavior="none",
                hideControls=leaf.scalar == "number",
                placeholder="none" if leaf.nullable else "",
                thousandSeparator=",",
            )
        return dmc.TextInput(
            **common,
            placeholder="none" if leaf.nullable else "",
        )


def _variant(node: Choice, kind: str, content: list[Component], *, is_shown: bool) -> Component:
    return html.Div(
        content,
        id={"type": "variant", "of": node.kind_key, "variant": kind},
        style={} if is_shown else {"display": "none"},
        className="variant",
    )


def _select(leaf: Leaf, common: dict[str, Any], options: Sequence[str]) -> Component:
    value = common.pop("value") or None
    data = list(options) if value is None or value in options else [value, *options]
    return dmc.Select(
        **common,
        value=value,
        data=data,
        searchable=not leaf.options,
        clearable=leaf.nullable,
        allowDeselect=leaf.nullable,
        placeholder="none" if leaf.nullable else "",
    )


def _described(leaf: Leaf) -> str:
    hints = [leaf.bounds] if leaf.bounds else []
    if leaf.grouped:
        hints.append("groups separated by semicolons")
    if leaf.repeated:
        hints.append("separated by commas")
    if leaf.words:
        hints.append(f"several separated by commas, or {' or '.join(leaf.words)}")
    text = _plain(leaf.description)
    return f"{text} ({'; '.join(hints)})" if hints else text


def _plain(description: str) -> str:
    """Speak of an input rather than of a document: null is an empty input."""
    return re.sub(r"\bnull\b", "empty", description).replace("`", "")


def _help(text: str) -> Component:
    return dmc.Text(text, size="xs", c="dimmed", mt=4)


def _card(title: str, description: str, body: list[Component]) -> Component:
    return dmc.Paper(
        [
            dmc.Title(title, order=4),
            *([_help(_plain(description))] if description else []),
            *body,
        ],
        withBorder=True,
        p="md",
    )
