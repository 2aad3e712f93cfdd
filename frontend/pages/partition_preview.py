"""What the chosen splitter makes of the chosen space, before anything is trained."""

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from pydantic import TypeAdapter, ValidationError

from backend.errors import ApiError
from backend.spaces import service
from backend.spaces.schemas import PartitionPreview, PreviewOptions
from backend.validation import field_errors, sentence
from frontend.context import Context
from frontend.figures.style import subspace_colour
from nas.partition import AnySplitter
from nas.partition.base import Splitter
from nas.partition.routing import Routing
from nas.supernets.sizes import Supernets
from nas.supernets.spec import SupernetSpec

Component = Any  # Dash's components are generated, without a useful common type
SPLITTERS: TypeAdapter[Splitter] = TypeAdapter(AnySplitter)


def partition_preview(
    context: Context, document: Mapping[str, Any]
) -> Component:  # Any: JSON values
    """Return sizes, shares and supernets of the sub-spaces, or why there are none."""
    supernet = document.get("supernet", {})
    try:
        splitter = SPLITTERS.validate_python(document.get("splitter"))
        options = PreviewOptions.model_validate(
            {name: supernet[name] for name in Routing.model_fields if name in supernet}
        )
        with context.db.reading() as session:
            found = service.preview_partition(
                session, document.get("space", ""), splitter, options
            )
    except ValidationError as error:
        return _hint(sentence(field_errors(error.errors(include_url=False))))
    except ApiError as error:
        return _hint(error.message)
    supernets, said = _supernets(context, document, splitter)
    return _drawn(found, supernets, said)


def _supernets(
    context: Context, document: Mapping[str, Any], splitter: Splitter
) -> tuple[Supernets | None, str]:  # Any: JSON values
    """Return the supernets of the run in the form; None if there are none, and why."""
    try:
        spec = SupernetSpec.model_validate(document.get("supernet", {}))
        with context.db.reading() as session:
            space, dataset = document.get("space", ""), document.get("dataset", "")
            return service.run_supernets(session, space, splitter, spec, dataset), ""
    except ValidationError as error:
        return None, sentence(
            field_errors(error.errors(include_url=False), document.get("supernet"))
        )
    except ApiError as error:
        return None, error.message


def _drawn(found: PartitionPreview, supernets: Supernets | None, said: str) -> Component:
    largest = max(part.share_valid for part in found.subspaces)
    rows = [
        dmc.Stack(
            [
                dmc.Group(
                    [
                        dmc.Text(part.label, size="sm"),
                        dmc.Text(
                            f"{int(part.size.valid):,} · {part.share_valid:.1%}"
                            + _width(supernets, part.index),
                            size="sm",
                            c="dimmed",
                            className="tabular",
                        ),
                    ],
                    justify="space-between",
                ),
                dmc.Progress(
                    value=100 * part.share_valid / largest,
                    color=subspace_colour(part.index),
                    size="sm",
                ),
            ],
            gap=2,
        )
        for part in found.subspaces
    ]
    return dmc.Stack(
        [
            *rows,
            dmc.Text(
                f"n = {int(found.valid):,} valid architectures of {int(found.all):,}"
                + (
                    f"; thresholds {', '.join(map(str, found.thresholds))}"
                    if found.thresholds
                    else ""
                ),
                size="xs",
                c="dimmed",
            ),
            _hint(said) if supernets is None else _sizes(supernets),
        ],
        gap="xs",
        mt="xs",
    )


def _width(supernets: Supernets | None, index: int) -> str:
    return "" if supernets is None else f" · width {supernets.size(index).width}"


def _sizes(supernets: Supernets) -> Component:
    """Say how many parameters the supernets have, beside their one-shot parent."""
    number = len(set(supernets.subspaces)) if supernets.have_banks else len(supernets.subspaces)
    what = "One supernet" if number == 1 else f"{number} supernets together"
    parent = supernets.parent
    return dmc.Text(
        f"{what}: {supernets.parameters:,} parameters; a one-shot parent of width"
        f" {parent.width} has {parent.parameters:,}",
        size="xs",
        c="dimmed",
    )


def _hint(text: str) -> Component:
    return dmc.Text(text, size="sm", c="red", mt="xs")
