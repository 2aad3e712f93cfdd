"""How the exact arithmetic of spaces is timed."""

import re
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httpx
import partition
import pytest

from backend.spaces import service
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.spaces import catalogue
from nas.spaces.base import Count
from nas.spaces.cell import CellSpace
from nas.spaces.labelling import Reading
from tests.benchmarks.prepared import exact, measured
from tests.benchmarks.printed import Place, printed


class TestPartition:
    TEN = (
        "darts-cell",
        "digits-mini",
        "mobilenet-proxyless-se",
        "mobilenet-proxyless",
        "nas-bench-201",
        "complete-4",
        "complete-5",
        "complete-6",
        "complete-7",
        "complete-8",
    )

    def test_the_last_line_has_three_figures_and_the_table_ten_spaces(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        exact(place)
        slowest = {"complete-8": partition.Times(processor=0.75, clock=0.8)}
        place.replace(
            partition,
            measure=lambda space: replace(
                found := measured(space), histogram=slowest.get(space.name, found.histogram)
            ),
        )
        partition.main()
        shown = printed(capsys)
        # The slowest histogram of all spaces; 10,000 draws by the slower way, of the processor.
        assert shown.figures == {
            "histogram_ms_max": 750.0,
            "samples_per_s_nb201": 80_000,
            "samples_per_s_mobilenet": 80_000,
        }
        assert sorted(row[0] for row in shown.rows) == sorted(self.TEN)
        columns = {row[0]: dict(zip(shown.header, row, strict=True)) for row in shown.rows}
        assert columns["complete-8"]["histogram ms"] == "750.0 / 800.0"
        assert columns["nas-bench-201"]["10,000 samples ms"] == "125.0 / 9,000.0"
        assert columns["nas-bench-201"]["in sub-spaces ms"] == "100.0 / 7,000.0"
        assert columns["nas-bench-201"]["samples/s"] == "80,000"
        assert columns["nas-bench-201"]["brute force ms"] == ""
        served = {row[0]: row[-2:] for row in shown.rows}
        assert [*served.values()][:2] == [
            ["3.0 .. 9.0", "1.2 .. 1.5"],
            ["3.0 .. 10.0", "1.2 .. 2.5"],
        ]
        assert [name for name, texts in served.items() if all(texts)] == [*catalogue()]
        assert shown.sentences == [
            "Pairs of times: of the processor / by the clock. Of GET: median .. slowest.",
            "Resident memory grew by 2 KiB over 15 requests.",
        ]

    def test_cells_of_four_to_eight_nodes_have_every_edge(self) -> None:
        cells = [*partition.complete_cells(catalogue()["nas-bench-201"])]
        assert [cell.num_nodes for cell in cells] == [4, 5, 6, 7, 8]
        assert [len(cell.graph.edges) for cell in cells] == [6, 10, 15, 21, 28]

    @pytest.mark.parametrize(
        ("space_name", "seconds", "sentence"),
        [
            (
                "nas-bench-201",
                0.2001,
                "49,975 architectures of nas-bench-201 per second, not 50,000",
            ),
            (
                "mobilenet-proxyless",
                1.0002,
                "9,998 architectures of mobilenet-proxyless per second",
            ),
        ],
    )
    def test_slow_sampling_fails_after_its_figures(
        self,
        space_name: str,
        seconds: float,
        sentence: str,
        place: Place,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        exact(place)
        place.replace(
            partition,
            measure=lambda space: measured(space, seconds if space.name == space_name else 0.01),
        )
        with pytest.raises(SystemExit, match=sentence) as failure:
            partition.main()
        assert failure.value.code not in (0, None)
        assert min(list(printed(capsys).figures.values())[1:]) == round(10_000 / seconds)

    def test_a_space_is_measured_and_counted_as_by_brute_force(self, place: Place) -> None:
        place.replace(partition, DRAWS=50, REPETITIONS=2)
        found = partition.measure(catalogue()["digits-mini"])
        every = (
            found.histogram,
            found.samples,
            found.subspace_samples,
            found.membership,
            found.ranges,
            found.brute_force,
        )
        for times in every:
            assert times is not None
            assert times.processor > 0
            assert times.clock > 0
        line = found.line()
        assert line[:2] == ["digits-mini", "125"]
        assert all(re.fullmatch(r"[\d,]+\.\d / [\d,]+\.\d", line[at]) for at in (2, 3, 4, 6, 7, 8))
        slower = max(found.samples.processor, found.subspace_samples.processor)
        assert found.samples_per_s == round(50 / slower)

    def test_a_space_too_large_to_enumerate_has_no_brute_force(self, place: Place) -> None:
        place.replace(partition, MAX_ENUMERATED=124)
        assert partition.brute_force(catalogue()["digits-mini"]) == (None, None)

    def test_a_histogram_that_brute_force_does_not_confirm_fails(self, place: Place) -> None:
        place.replace(partition, DRAWS=5, REPETITIONS=1)
        right = CellSpace.histogram

        def wrong(space: CellSpace, reading: Reading = "effective") -> dict[int, Count]:
            found = right(space, reading)
            return found | {0: Count(found[0].all, found[0].valid + 1)}

        place.replace(CellSpace, histogram=wrong)
        with pytest.raises(
            SystemExit, match="histogram of digits-mini is not that of brute force"
        ):
            partition.measure(catalogue()["digits-mini"])

    def test_samples_are_drawn_as_runs_draw_them(self, place: Place) -> None:
        place.replace(partition, DRAWS=9)
        space = catalogue()["digits-mini"]
        asked: list[Any] = []
        sample = CellSpace.sample

        def noted(space: CellSpace, rng: Any, labels: Any = None, *more: Any) -> Any:
            asked.append(labels)
            return sample(space, rng, labels, *more)

        place.replace(CellSpace, sample=noted)
        partition.draw(space)
        assert asked == [None] * 9
        asked.clear()
        partition.draw_in_turn(NonlinearitySplitter(num_subspaces=3).split(space))
        assert asked == [{0}, {1}, {2}] * 3

    def test_the_repetition_that_took_the_processor_least_counts(self, place: Place) -> None:
        ticks = iter([0.0, 3.0, 3.0, 4.0, 4.0, 6.0])
        clock = iter([0.0, 3.0, 3.0, 9.0, 9.0, 11.0])
        done: list[str] = []
        place.replace(
            partition,
            REPETITIONS=3,
            time=SimpleNamespace(
                process_time=lambda: next(ticks), perf_counter=lambda: next(clock)
            ),
        )
        times = partition.repeated(lambda: done.append("timed"), lambda: done.append("before"))
        assert times == partition.Times(processor=1.0, clock=6.0)
        assert done == ["before", "timed"] * 3

    def test_histograms_are_asked_of_the_server_itself_and_timed_after_warm_up(
        self, place: Place
    ) -> None:
        place.replace(partition, WARM_UP=2, REQUESTS=3)
        asked: list[str] = []
        answers = service.histogram

        def histogram(session: Any, reference: str, count: Any) -> Any:
            asked.append(reference)
            return answers(session, reference, count)

        place.replace(service, histogram=histogram)
        served = partition.serve(["digits-mini", "nas-bench-201"])
        assert Counter(asked) == {"digits-mini": 5, "nas-bench-201": 5}
        assert {name: len(times) for name, times in served.milliseconds.items()} == {
            "digits-mini": 3,
            "nas-bench-201": 3,
        }
        assert all(time > 0 for times in served.milliseconds.values() for time in times)
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            partition.serve(["no-such-space"])
