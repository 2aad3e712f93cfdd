"""The model card: Markdown under a YAML header, as model collections read it."""

import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml
from pydantic import JsonValue

from nas.export.facts import CardFacts, SupernetFacts

SPLITS = ("test", "validation")
"""Whose accuracies are told, the most telling first."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the network costs.

    Attributes:
        flops: multiply-adds of one image through the full stand-alone skeleton.
        parameters: trainable ones.
        nonlinearities: the effective nonlinearity count.
    """

    flops: int
    parameters: int
    nonlinearities: int


def model_card(facts: CardFacts, code: str, sizes: Sizes) -> str:
    """Return the card of one network.

    Args:
        facts: about it.
        code: the architecture's canonical string.
        sizes: of the network.
    """
    return "\n".join(
        [
            "---",
            yaml.safe_dump(_header(facts), sort_keys=False, allow_unicode=True).strip(),
            "---",
            "",
            f"# An architecture of {_plain(facts.space)}, trained on {_plain(facts.data.name)}",
            "",
            "```",
            code,
            "```",
            "",
            *_accuracy(facts),
            *_table("Size", _sizes(sizes)),
            *_table("Data", _data(facts)),
            *_table("Recipe", facts.recipe),
            *_supernet(facts.supernet),
            *_table("Search", {"run": facts.run, **facts.search}),
            *_table("Software", facts.software),
        ]
    )


def _header(facts: CardFacts) -> dict[str, object]:
    metrics = [
        {"type": "accuracy", "name": f"{split} accuracy", "value": round(accuracy, 4)}
        for split in SPLITS
        for training in facts.trainings
        if training.seed == facts.exported_seed
        and (accuracy := training.accuracies.get(split)) is not None
    ]
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"name": facts.data.name, "type": facts.data.name.partition("@")[0]},
        "metrics": metrics,
    }
    return {
        "library_name": "pytorch",
        "pipeline_tag": "image-classification",
        "tags": ["neural-architecture-search", "efs-nas"],
        "datasets": [facts.data.name.partition("@")[0]],
        "metrics": ["accuracy"],
        "model-index": [{"name": f"{facts.space} on {facts.data.name}", "results": [result]}],
    }


def _accuracy(facts: CardFacts) -> Iterator[str]:
    yield "## Accuracy"
    yield ""
    for split in SPLITS:
        spread = facts.spread(split)
        if spread is not None:
            yield f"- {split} images: {spread}"
    yield ""
    yield f"The weights are those of seed {facts.exported_seed}."
    yield ""
    yield f"| seed | {' | '.join(f'{split}, %' for split in SPLITS)} |"
    yield "| --- | --- | --- |"
    for training in sorted(facts.trainings, key=lambda training: training.seed):
        cells = [training.accuracies.get(split) for split in SPLITS]
        told = [f"{cell:.2f}" if cell is not None else "not measured" for cell in cells]
        yield f"| {training.seed} | {' | '.join(told)} |"
    yield ""


def _sizes(sizes: Sizes) -> dict[str, JsonValue]:
    return {
        "multiply-adds per image, at the image size of the search space": f"{sizes.flops:,}",
        "trainable parameters": f"{sizes.parameters:,}",
        "nonlinearity count": sizes.nonlinearities,
    }


def _data(facts: CardFacts) -> dict[str, JsonValue]:
    return {
        "dataset": facts.data.name,
        "SHA-256": facts.data.sha256 or "unknown",
        **{f"{split} images": size for split, size in facts.data.sizes.items()},
    }


def _supernet(supernet: SupernetFacts | None) -> Iterator[str]:
    if supernet is None:
        return
    yield from _table("Score of the supernet", {supernet.scorer: supernet.score})
    if supernet.conditions:
        yield "How far the ranking by this score agreed with accuracies of networks trained alone:"
        yield ""
        yield from _rows(supernet.conditions)
    else:
        yield "No true accuracies were known: how far this score ranks rightly was not measured."
        yield ""


def _table(title: str, facts: Mapping[str, JsonValue] | Mapping[str, str]) -> Iterator[str]:
    if facts:
        yield f"## {title}"
        yield ""
        yield from _rows(facts)


def _rows(facts: Mapping[str, JsonValue] | Mapping[str, str]) -> Iterator[str]:
    yield "| | |"
    yield "| --- | --- |"
    for name, value in facts.items():
        yield f"| {_plain(name)} | {_plain(_told(value))} |"
    yield ""


def _told(value: JsonValue) -> str:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> str:
    """Return text that names of users cannot turn into other Markdown."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    for character in r"\`*_[]|":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped
