import json

from plotly.utils import PlotlyJSONEncoder

from backend.runs.schemas import LandmarkRead
from frontend.pages.run.grids import GRIDS, candidate_rows, log_rows
from frontend.pages.run.landmarks import landmark_table
from frontend.pages.run.panels import (
    combination_table,
    heading,
    latency_note,
    notice,
    summary,
    supernet_table,
    telemetry_table,
    unit_table,
)
from tests.frontend import made


def words(component):
    """Every text a component shows, in order."""
    found = []

    def collect(value):
        if isinstance(value, dict):
            properties = value.get("props", {})
            for key in ("title", "children", "code"):
                if key in properties:
                    collect(properties[key])
        elif isinstance(value, list):
            for child in value:
                collect(child)
        elif value is not None:
            found.append(str(value))

    collect(json.loads(json.dumps(component, cls=PlotlyJSONEncoder)))
    return found


def landmark(index, accuracy, seeds, subspace=0):
    return LandmarkRead(
        index=index,
        architecture=f"cell {index}",
        subspace=subspace,
        source="stand-alone",
        accuracy=accuracy,
        seeds=seeds,
    )


def test_landmarks_are_listed_the_best_first_and_counted_per_sub_space():
    run = made.run(spec=made.spec(landmarks={"kind": "stand-alone"}))
    parts = made.subspaces(30, 20, landmarks=(2, 1))
    known = [landmark(0, 61.5, [61.0, 62.0]), landmark(1, None, []), landmark(2, 80.25, None, 1)]
    text = words(landmark_table(run, subspaces=parts, landmarks=known))
    places = [text.index(name) for name in ("cell 2", "cell 0", "cell 1")]
    assert places == sorted(places)
    assert text[places[0] + 1 : places[0] + 4] == ["count 1", "80.25 %", "–"]
    assert text[places[1] + 1 : places[1] + 4] == ["count 0", "61.50 %", "61.00, 62.00"]
    assert text[places[2] + 2] == "not trained yet"
    assert "n = 3 landmarks; accuracy: stand-alone, on validation images." in text[-1]
    shown = words(supernet_table(run, subspaces=parts))
    assert "pairs inside" in shown
    row = shown.index("count 1")
    assert shown[row + 6 : row + 8] == ["1", "none"]
    row = shown.index("count 0")
    assert shown[row + 6 : row + 8] == ["2", "1"]


def test_a_run_without_landmarks_shows_nothing_of_them():
    assert words(landmark_table(made.run(), subspaces=[], landmarks=[])) == []
    assert "landmarks" not in words(supernet_table(made.run(), subspaces=made.subspaces(3)))
    waiting = made.run(spec=made.spec(landmarks={"kind": "stand-alone"}))
    assert words(landmark_table(waiting, subspaces=[], landmarks=[])) == [
        "The landmarks have not been chosen yet."
    ]


def test_a_failed_run_says_why_and_a_queued_one_what_it_waits_for():
    failed = made.run(state="failed", failure_class="bug", failure_message="It broke.")
    assert words(notice(failed)) == ["This run failed (bug).", "It broke."]
    assert words(notice(made.run(state="queued", waiting_reason="No worker."))) == [
        "Waiting",
        "No worker.",
    ]
    for state in ("pausing", "paused"):
        full = made.run(state=state, failure_class="storage", failure_message="It is full.")
        assert words(notice(full)) == ["Paused by the server (storage).", "It is full."]
    assert words(notice(made.run(state="paused"))) == []
    assert words(notice(made.run())) == []


def test_the_heading_names_what_the_run_rests_on():
    text = " ".join(words(heading(made.run(cloned_from=3, benchmark=None))))
    assert "digits-mini@1 · digits@1 · no benchmark · K = 2 · seed 0" in text
    assert "clone of run 3" in text
    assert "inherited" not in text
    assert "weights inherited from run 4" in words(heading(made.run(inherits_from=4)))


def test_the_summary_prefers_the_final_correlation():
    shown = words(
        summary(
            made.run(),
            subspaces=made.subspaces(1, 1),
            balance=[made.balance(0, 3), made.balance(1, 1)],
            correlations=[
                made.correlation(0.5, stage="final", step=1000, n=99),
                made.correlation(0.9, step=1000),
            ],
            candidates=[made.candidate(1, 1.0, accuracy=91.234, rank=5)],
        )
    )
    assert "0.500" in shown
    assert "[0.40, 0.60] · n = 99 · final · ceiling 0.80" in shown
    assert "0.811" in shown  # entropy of 3/4 and 1/4 in bits
    assert "91.23 %" in shown
    assert "true rank 5 · 1 of 10 evaluations" in shown


def test_the_summary_of_a_fresh_run_invents_nothing():
    shown = words(
        summary(
            made.run(noise_ceiling=None), subspaces=[], balance=[], correlations=[], candidates=[]
        )
    )
    assert shown.count("–") == 3
    assert "noise ceiling unknown" in shown


def test_the_summary_says_why_tau_is_undefined():
    shown = words(
        summary(
            made.run(),
            subspaces=made.subspaces(1, 1),
            balance=[],
            correlations=[made.correlation(None, n=2)],
            candidates=[],
        )
    )
    assert "undefined" in shown
    assert "All scores are equal. · n = 2 · step 100 · ceiling 0.80" in shown


def test_a_units_row_names_what_it_waits_for():
    units = [made.unit("search", "waiting", depends_on=["rank-0-0"], total=30)]
    shown = words(unit_table(made.run(), units=units))
    assert {"search", "waiting", "rank-0-0", "0 / 30"} <= set(shown)


def test_a_helper_of_the_search_is_said_to_be_dispensable():
    units = [
        made.unit("evaluate", "ready", key="evaluate-0"),
        made.unit("evaluate", key="evaluate-1", progress=1234),
    ]
    shown = words(unit_table(made.run(), units=units))
    assert "a free slot; the search does not need it" in shown
    assert "1,234" in shown


def test_the_table_of_telemetry_names_what_every_unit_used_and_invents_nothing():
    rows = [
        made.telemetry(
            "train-0",
            1,
            seconds=2.0,
            updates=50,
            images=3200,
            forward=1.5,
            cpu=98.4,
            memory=5 * 10**8,
        ),
        made.telemetry("search", 2, kind="search", seconds=4.0, ranking=3.0, checkpoint=0.25),
    ]
    shown = words(telemetry_table(made.run(), telemetry=rows))
    assert shown[10:30] == [
        *("train-0", "2.0 s", "25.0", "1,600.0", "75.0%", "0.00 s", "98 %", "0.50 GB", "–", "–"),
        *("search", "4.0 s", "–", "–", "75.0%", "0.25 s", "–", "–", "–", "–"),
    ]
    (waiting,) = words(telemetry_table(made.run(), telemetry=[]))
    assert waiting.startswith("No unit has trained or scored yet.")


def test_every_sub_space_stands_beside_its_supernet():
    shown = words(supernet_table(made.run(), subspaces=made.subspaces(30, 10, dead=2)))
    first = shown.index("count 0")
    assert shown[first : first + 6] == ["count 0", "30", "75.0 %", "50.0 %", "8", "2,082"]
    assert shown[first + 6 : first + 12] == ["count 1", "10", "25.0 %", "50.0 %", "7", "2,081"]
    assert "private supernet" in shown[-1]
    assert words(supernet_table(made.run(), subspaces=[])) == ["The space has not been split yet."]


def test_grid_rows_have_unique_keys_and_the_log_begins_with_the_newest():
    log = log_rows(
        made.run(), log=[made.event(1, "first"), made.event(2, "second", unit="train-0")]
    )
    assert [(row["key"], row["message"], row["unit"]) for row in log] == [
        ("2", "second", "train-0"),
        ("1", "first", ""),
    ]
    found = candidate_rows(
        made.run(),
        candidates=[made.candidate(1, 1.0), made.candidate(2, 2.0, subspace=1)],
        subspaces=made.subspaces(1, 1),
    )
    assert [(row["key"], row["label"]) for row in found] == [("1", "count 0"), ("2", "count 1")]


def test_candidates_on_the_front_are_marked_beside_their_objectives():
    rows = [
        made.candidate(1, 1.0, flops=500),
        made.candidate(2, 0.5, flops=600),
        made.candidate(3, 2.0, flops=1_000_000),
    ]
    shown = candidate_rows(made.trading_run(), candidates=rows, subspaces=made.subspaces(1))
    assert [row["front"] for row in shown] == ["★", "–", "★"]
    assert [row["objectives"] for row in shown] == [
        "loss 1 · flops 500",
        "loss 0.5 · flops 600",
        "loss 2 · flops 1e+06",
    ]
    alone = candidate_rows(made.run(), candidates=rows, subspaces=made.subspaces(1))
    assert {(row["front"], row["objectives"]) for row in alone} == {("–", "–")}


def test_latencies_stand_in_the_list_below_what_they_rest_on():
    rows = [made.timed_candidate(1, 1.0, 2.5), made.timed_candidate(2, 2.0, 4.0, spread=0.25)]
    shown = candidate_rows(made.timed_run(), candidates=rows, subspaces=made.subspaces(1))
    assert [(row["latency_ms"], row["latency_spread_ms"]) for row in shown] == [
        (2.5, 0.125),
        (4.0, 0.25),
    ]
    fields = [column["field"] for column in GRIDS["candidates"].columns]
    assert {"latency_ms", "latency_spread_ms"} <= set(fields)
    told = "Latency measured on cpu Some Chip, 1 thread, batch size 1, median of 20 runs."
    assert told in words(latency_note(made.timed_run(), candidates=rows))
    assert latency_note(made.run(), candidates=[made.candidate(1, 1.0)]) == []


def test_combined_scorers_stand_beside_what_they_learned():
    scorers = [{"kind": "loss"}, {"kind": "rank-sum"}, {"kind": "calibrated"}]
    landmarks = {"kind": "stand-alone"}
    run = made.run(spec=made.spec(ranking={"scorers": scorers}, landmarks=landmarks))
    parts = made.subspaces(1, 1)
    found = [
        made.combination("calibrated", tau=0.625, landmarks=20, offsets=[0.25, -0.5]),
        made.combination("rank-sum"),
    ]
    shown = words(combination_table(run, subspaces=parts, combinations=found))
    row = ["calibrated", "loss, flops", "1,000", "20", "0.625", "+0.250", "-0.500"]
    start = shown.index("calibrated")
    assert shown[start : start + 14] == [
        *row, "rank-sum", "loss, flops", "1,000", "–", "–", "–", "–",
    ]  # fmt: skip
    undefined = made.combination("calibrated", landmarks=2, offsets=[0.0, 0.0])
    shown = words(combination_table(run, subspaces=parts, combinations=[undefined]))
    assert "undefined" in shown
    waiting = words(combination_table(run, subspaces=parts, combinations=[]))
    assert waiting == ["Scores are combined once all are measured."]


def test_a_run_without_combined_scorers_shows_nothing_of_them():
    assert combination_table(made.run(), subspaces=made.subspaces(1), combinations=[]) == []
