from frontend.figures.front import pareto_front
from frontend.figures.style import is_empty
from tests.frontend import made

ROWS = [
    made.candidate(1, 1.0, flops=500, code="a"),
    made.candidate(2, 0.5, flops=600, code="b", subspace=1),
    made.candidate(3, 2.0, flops=900, code="c", subspace=1),
    made.candidate(4, 0.1, flops=100, code="d"),
]


def test_the_front_is_marked_among_all_candidates():
    drawn = pareto_front(made.trading_run(), subspaces=made.subspaces(1, 1), candidates=ROWS)
    traces = {trace.name: trace for trace in drawn.data}
    assert list(traces) == ["count 0", "count 1", "front"]
    assert list(zip(traces["count 1"].x, traces["count 1"].y, strict=True)) == [
        (600, 0.5),
        (900, 2.0),
    ]
    # By FLOPs: the second candidate is dearer and worse than the first.
    assert list(zip(traces["front"].x, traces["front"].y, strict=True)) == [
        (100, 0.1),
        (500, 1.0),
        (900, 2.0),
    ]
    assert drawn.layout.xaxis.title.text == "minimise flops"
    assert drawn.layout.yaxis.title.text == "maximise loss"
    assert drawn.layout.title.subtitle.text == (
        "n = 4 candidates, 3 on the front of maximise loss, minimise flops"
    )


def test_a_search_with_one_objective_has_no_front():
    drawn = pareto_front(made.run(), subspaces=made.subspaces(1), candidates=ROWS)
    assert is_empty(drawn)
    assert "one objective" in drawn.layout.annotations[0].text


def test_before_the_search_the_figure_says_when_it_starts():
    drawn = pareto_front(made.trading_run(), subspaces=[], candidates=[])
    assert "starts after" in drawn.layout.annotations[0].text.replace("<br>", " ")


def test_beside_it_stands_what_the_front_is_in_truth():
    drawn = pareto_front(
        made.trading_run(),
        subspaces=made.subspaces(1, 1),
        candidates=ROWS,
        true_front=made.true_front(),
    )
    of_benchmark = next(one for one in drawn.data if one.name.startswith("front of the benchmark"))
    assert (list(of_benchmark.x), list(of_benchmark.y)) == ([20, 30], [80, 90])
    assert of_benchmark.xaxis == "x2"
    found = next(one for one in drawn.data if one.name == "found front, in truth")
    assert (list(found.x), list(found.y)) == ([20], [80])
    assert "true hypervolume 87.6%" in drawn.layout.title.subtitle.text
    assert drawn.layout.yaxis2.title.text == "stand-alone accuracy (%)"


TIMED = [
    made.timed_candidate(1, 1.0, 2.5, code="a"),
    made.timed_candidate(2, 0.5, 3.0, code="b"),
    made.timed_candidate(3, 2.0, 4.25, spread=0.5, code="c"),
]


def test_a_latency_has_its_unit_its_spread_and_what_it_rests_on():
    drawn = pareto_front(made.timed_run(), subspaces=made.subspaces(1), candidates=TIMED)
    front = next(trace for trace in drawn.data if trace.name == "front")
    assert list(zip(front.x, front.y, strict=True)) == [(2.5, 1.0), (4.25, 2.0)]
    assert drawn.layout.xaxis.title.text == "minimise latency (ms)"
    assert drawn.layout.yaxis.title.text == "maximise loss"
    assert front.text[1] == (
        "evaluation 3<br>loss 2 · latency 4.25 ms (interquartile range 0.5 ms)<br>c"
    )
    assert drawn.layout.title.subtitle.text == (
        "n = 3 candidates, 2 on the front of maximise loss, minimise latency<br>"
        "latency measured on cpu Some Chip, 1 thread, batch size 1, median of 20 runs"
    )
    # Room for the second line.
    assert drawn.layout.margin.t > drawn.layout.template.layout.margin.t


def test_a_latency_that_was_looked_up_has_a_table_and_no_spread():
    run = made.timed_run(kind="table", benchmark="devices@1", column="phone/latency")
    rows = [made.timed_candidate(1, 1.0, 2.5, spread=None, device=None)]
    drawn = pareto_front(run, subspaces=made.subspaces(1), candidates=rows)
    assert drawn.layout.title.subtitle.text.endswith("latency from devices@1, phone/latency")
    assert "latency 2.5 ms<br>" in drawn.data[0].text[0]


def test_beside_the_truth_a_latency_keeps_its_unit():
    truth = made.true_front().model_copy(update={"objectives": ["accuracy", "latency"]})
    for point in (*truth.front, *truth.found):
        point.objectives["latency"] = 1.0
    drawn = pareto_front(
        made.timed_run(), subspaces=made.subspaces(1), candidates=TIMED, true_front=truth
    )
    assert drawn.layout.xaxis2.title.text == "latency (ms)"
