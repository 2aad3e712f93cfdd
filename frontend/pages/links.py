"""Addresses of the dashboard."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

PREFIX = "/ui/"
API = "/api/v1"


def runs_page() -> str:
    """The list of runs."""
    return PREFIX


def new_run_page(clone_of: int | None = None) -> str:
    """The form, prefilled with another run's spec if one is given."""
    return f"{PREFIX}new" + (f"?clone={clone_of}" if clone_of is not None else "")


def new_run_with(
    space: str,
    splitter: Mapping[str, Any],
    supernet: Mapping[str, Any],
) -> str:  # Any: JSON values
    """The form, prefilled with a space, a splitter and fields of the supernet."""
    return f"{PREFIX}new?" + urlencode(
        {
            "space": space,
            "splitter": json.dumps(splitter, separators=(",", ":")),
            "supernet": json.dumps(supernet, separators=(",", ":")),
        }
    )


def run_page(run_id: int) -> str:
    """One run."""
    return f"{PREFIX}runs/{run_id}"


def report_of(run_id: int) -> str:
    """A run as one HTML file."""
    return f"{API}/runs/{run_id}/report"


def bundle_of(run_id: int, form: str) -> str:
    """All tables of a run as a zip."""
    return f"{API}/runs/{run_id}/bundle?format={form}"


def spaces_page() -> str:
    """The list of search spaces."""
    return f"{PREFIX}spaces"


def space_page(reference: str) -> str:
    """One search space, `name` or `name@version`."""
    return f"{spaces_page()}/{quote(reference)}"


def partition_page(reference: str) -> str:
    """What splitters make of a search space."""
    return f"{space_page(reference)}/partition"


def space_editor(source: str | None = None) -> str:
    """The editor of definitions, starting from a stored one if given."""
    return f"{PREFIX}space-editor" + (f"?source={quote(source)}" if source else "")


def benchmarks_page() -> str:
    """The list of benchmarks."""
    return f"{PREFIX}benchmarks"


def new_benchmark_page() -> str:
    """The form of a benchmark that the workers are to make."""
    return f"{PREFIX}new-benchmark"


def benchmark_page(reference: str) -> str:
    """One benchmark, `name` or `name@version`."""
    return f"{benchmarks_page()}/{quote(reference)}"


def compare_page(run_ids: Iterable[int]) -> str:
    """Some runs side by side, in the given order."""
    return f"{PREFIX}compare?{_named(run_ids)}"


def figure_json(
    run_id: int, figure: str, *, measure: str | None = None, scorer: str | None = None
) -> str:
    """The data of one figure, as the REST API gives it, of what is chosen where it shows that."""
    chosen = {"measure": measure, "scorer": scorer}
    query = urlencode({name: value for name, value in chosen.items() if value is not None})
    return f"{API}/runs/{run_id}/figures/{figure}" + (f"?{query}" if query else "")


def comparison_json(run_ids: Iterable[int], figure: str, *, measure: str | None = None) -> str:
    """The data of a figure that compares runs, of the measure that is chosen if it shows one."""
    chosen = "" if measure is None else "&" + urlencode({"measure": measure})
    return f"{API}/figures/{figure}?{_named(run_ids)}{chosen}"


def export(run_id: int, number: int) -> str:
    """The download of a retrained network, by the number of the retraining in its run."""
    return f"{API}/runs/{run_id}/retrainings/{number}/export"


def space_figure_json(reference: str, figure: str, reading: str) -> str:
    """The data of a search space's figure, as the REST API gives it."""
    return f"{API}/search-spaces/{quote(reference)}/figures/{figure}?" + urlencode(
        {"count": reading}
    )


def benchmark_figure_json(reference: str, figure: str, column: str) -> str:
    """The data of a benchmark's figure, as the REST API gives it."""
    return f"{API}/benchmarks/{quote(reference)}/figures/{figure}?" + urlencode({"column": column})


def preview_figure_json(
    reference: str,
    figure: str,
    splitter: Mapping[str, Any],  # Any: JSON values
    options: Mapping[str, Any],
) -> str:
    """The data of a figure of a partition's preview, as the REST API gives it."""
    text = json.dumps(splitter, separators=(",", ":"))
    return f"{API}/search-spaces/{quote(reference)}/partition/figures/{figure}?" + urlencode(
        {"splitter": text, **options}
    )


def _named(run_ids: Iterable[int]) -> str:
    return urlencode([("run", run_id) for run_id in run_ids])
