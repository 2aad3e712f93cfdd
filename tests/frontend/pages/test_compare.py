import pytest

from backend.errors import ApiError, NotFound
from backend.settings import Settings
from frontend.context import Context
from frontend.figures.comparison.registry import COMPARISONS
from frontend.figures.comparison.runs import MOST_RUNS, ComparedRun
from frontend.pages.compare.page import DATA_LINK, MEASURE, chosen_runs, layout
from frontend.pages.compare.panels import (
    COMPARISON_PANELS,
    condition_lines,
    ground,
    result_table,
    spec_differences,
    spec_table,
)
from frontend.pages.runs import compare_button
from nas.ranking.measures import MEASURES
from tests.frontend import made
from tests.frontend.pages.test_panels import words
from tests.frontend.seeding import SeededRun, small_spec


def compared(place, *, rows=None, **changes):
    run = made.run(**{"id": place + 1, "name": f"run {place}", **changes})
    return ComparedRun(place, run, **(rows or {}))


def test_the_address_names_the_runs_in_order():
    assert chosen_runs("?run=7&run=3&other=1") == [7, 3]
    assert chosen_runs("") == []


@pytest.mark.parametrize(
    ("search", "complaint"),
    [
        ("?run=1&run=1", "#1 came again"),
        ("?run=1&run=one", "run.1: "),
        ("?" + "&".join(f"run={number}" for number in range(1, MOST_RUNS + 2)), "at most 20"),
    ],
)
def test_an_address_of_runs_that_cannot_be_compared_says_why(search, complaint):
    with pytest.raises(ApiError, match=complaint) as refused:
        chosen_runs(search)
    assert refused.value.status == 422


def test_without_runs_the_page_says_how_to_choose_them(served_db):
    context = Context(settings=Settings(), db=served_db)
    assert words(layout(context, []))[1].startswith(f"Select two to {MOST_RUNS} runs in the list")


def test_a_run_that_does_not_exist_is_not_found(served_db):
    with pytest.raises(NotFound, match="no run 99999"):
        layout(Context(settings=Settings(), db=served_db), [99999])


def test_every_measure_can_be_chosen_and_the_links_of_figures_that_show_it_follow(served_db):
    run = SeededRun(served_db, small_spec()).create()
    page = layout(Context(settings=Settings(), db=served_db), [run.run_id])
    select = page[MEASURE]
    assert [option["value"] for option in select.data] == list(MEASURES)
    assert select.value == "tau"
    following = [part.id["name"] for part in page._traverse() if _is_followed(part)]
    assert following == [name for name, one in COMPARISONS.items() if one.has_measure]


def _is_followed(part):
    found = getattr(part, "id", None)
    return isinstance(found, dict) and found.get("type") == DATA_LINK


@pytest.mark.parametrize("number", [0, 1, MOST_RUNS + 1])
def test_too_few_or_too_many_selected_runs_offer_no_comparison(number):
    offered = compare_button(list(range(1, number + 1)))
    assert words(offered)[0] == f"Select two to {MOST_RUNS} runs in the list"
    assert offered.children.disabled


def test_selected_runs_lead_to_their_comparison_the_oldest_first():
    offered = compare_button([12, 3])
    assert words(offered) == ["Compare 2 runs"]
    assert offered.href == "/ui/compare?run=3&run=12"


def test_common_ground_is_named_once_and_unlike_ground_is_warned_of():
    alike = words(ground([compared(0), compared(1)]))
    assert alike == [
        "search space digits-mini@1 · dataset digits@1 · benchmark digits-mini@1 (digits/accuracy) · scorer loss"
    ]
    unlike = words(ground([compared(0), compared(1, dataset="b@1", benchmark="c@1")]))
    assert unlike[0] == "search space digits-mini@1 · scorer loss"
    assert unlike[1] == "Not measured alike"
    assert unlike[2].startswith("These runs differ in dataset, benchmark:")
    without = words(ground([compared(0), compared(1, benchmark=None)]))
    assert without == ["search space digits-mini@1 · dataset digits@1 · scorer loss"]


def test_the_table_holds_every_tau_with_its_interval_n_moment_and_ceiling():
    rows = {
        "subspaces": made.subspaces(1, 1),
        "balance": [made.balance(0, 3), made.balance(1, 1)],
        "correlations": [made.correlation(0.5, stage="final", step=1000, n=99)],
        "candidates": [made.candidate(1, 1.0, accuracy=91.234, rank=5)],
    }
    live = {"correlations": [made.correlation(0.25)], "candidates": [made.candidate(1, -0.5)]}
    shown = words(
        result_table(
            [
                compared(0, rows=rows),
                compared(1, rows=live, noise_ceiling=None),
                compared(2, benchmark=None, noise_ceiling=None),
            ]
        )
    )
    # A row is its marker, the name as a hint and as text, the state, and what is compared here.
    first, second, third = (shown.index(f"#{number} run {number - 1}") for number in (1, 2, 3))
    assert shown[first + 3 : second - 1] == [
        "0.500", "[0.400, 0.600]", "99", "after training", "0.80", "0.811", "91.23 %, true rank 5",
        "remove",
    ]  # fmt: skip
    assert shown[second + 3 : third - 1] == [
        "0.250", "[0.150, 0.350]", "10", "live, step 100", "unknown", "–", "score -0.5", "remove",
    ]  # fmt: skip
    assert shown[third + 3 : third + 11] == [
        "–", "–", "–", "–", "no benchmark", "–", "–", "remove",
    ]  # fmt: skip


def test_the_only_run_left_cannot_be_removed():
    assert "remove" not in words(result_table([compared(0)]))


def test_conditions_name_their_runs_where_they_differ():
    other = made.correlation(0.5).model_copy(update={"conditions": {"split": "test", "n": 10}})
    first, same, second = (
        compared(place, rows={"correlations": [row]})
        for place, row in enumerate([made.correlation(0.5), made.correlation(0.1), other])
    )
    assert condition_lines([first, same]) == ["τ-b by loss: split validation"]
    assert condition_lines([first, second, same, compared(3)]) == [
        "#1, #2 · τ-b by loss: split validation",
        "#3 · τ-b by loss: split test",
    ]


def test_only_what_differs_in_the_specs_is_listed_with_pinned_references():
    changed = made.spec(
        name="another", seed=5, training={"steps": 1000, "warm_up_steps": 0}, search=None
    )
    found = spec_differences(
        [compared(0), compared(1, spec=changed, space="digits-mini@2", benchmark=None)]
    )
    assert found["seed"] == ["0", "5"]
    assert found["training.warm_up_steps"] == ["400", "0"]
    assert found["space"] == ["digits-mini@1", "digits-mini@2"]
    assert found["benchmark"] == ["digits-mini@1", "null"]
    assert found["search"] == ["–", "null"]
    assert found["search.kind"] == ["random", "–"]
    assert not {"name", "training.steps", "dataset"} & found.keys()


def test_runs_of_the_same_spec_are_said_to_be_so():
    assert "same spec" in words(spec_table([compared(0), compared(1)]))[-1]


@pytest.mark.parametrize("name", sorted(COMPARISON_PANELS))
def test_a_panel_reads_no_more_than_it_asks_for(name):
    rows = {
        "subspaces": made.subspaces(1, 1),
        "balance": [made.balance(0, 3)],
        "correlations": [made.correlation(0.5)],
        "metrics": [made.metric(0, 1, 1.0)],
        "candidates": [made.candidate(1, 1.0)],
    }
    panel = COMPARISON_PANELS[name]
    lean = {need: rows[need] for need in panel.needs}
    assert words(panel.draw([compared(0, rows=lean)])) == words(
        panel.draw([compared(0, rows=rows)])
    )
