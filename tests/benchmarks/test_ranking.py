"""How the scoring of many architectures is timed."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import ranking

from backend.runs.schemas import EventRead
from nas.data.digits import digits
from nas.experiment import Experiment
from nas.spaces import catalogue
from nas.training.state import fresh_state
from tests.benchmarks.prepared import ranking_rows
from tests.benchmarks.printed import Place, printed
from tests.worker.support import tiny_spec


@pytest.fixture
def tiny() -> Experiment:
    spec, space = tiny_spec(), catalogue()["digits-mini"]
    return Experiment(spec, space, spec.partition(space), digits())


class TestRanking:
    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            # 5.83 is the mean over 300 architectures of 5 and 7.5: (200 * 5 + 100 * 7.5) / 300.
            ({"ratio": 5.0}, None),
            ({"ratio": 1.25}, "ranking_speedup is 1.458, less than 1.7"),
            ({"difference": 2e-5}, "scores differ by 2.0e-05, more than 1e-05"),
            ({"seconds": 211.0}, "all_cells_minutes is 3.52, more than 3.5"),
        ],
    )
    def test_it_fails_below_a_promise(
        self,
        changes: dict[str, float],
        sentence: str | None,
        place: Place,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        rows = ranking_rows(**changes)
        place.replace(
            ranking,
            KEPT=place.folder,
            ALLOCATION={},
            MEASUREMENTS={name: lambda _, row=row: row for name, row in rows.items()},
        )
        if sentence is None:
            ranking.main()
            assert printed(capsys).figures["ranking_speedup"] == 5.833
        else:
            with pytest.raises(SystemExit, match=re.escape(sentence)):
                ranking.main()

    def test_both_ways_give_the_same_scores(self, tiny: Experiment) -> None:
        supernet = fresh_state(tiny, None).supernet
        chosen = ranking.of_different_forms(tiny.space, 30, seed=1)
        assert len({tiny.space.live_form(member) for member in chosen}) == 30
        plain, ours = (
            way(supernet, chosen, tiny.scoring_images)
            for way in (ranking.one_at_a_time, ranking.together)
        )
        assert ours == pytest.approx(plain, abs=1e-5)

    def test_the_span_is_from_the_first_claim_to_the_last_end(self) -> None:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        told = [("train-0", "leased", 0), ("rank-0-0", "leased", 5), ("rank-0-1", "leased", 6)]
        told += [("rank-0-0", "done", 20), ("rank-0-1", "done", 31), ("search", "done", 50)]
        events = [
            EventRead(
                id=index,
                created_at=start + timedelta(seconds=second),
                kind="unit-state",
                level="info",
                unit=unit,
                message="",
                data={"from": "", "to": state},
            )
            for index, (unit, state, second) in enumerate(told)
        ]
        began, ended = ranking.span(events, ["rank-0-0", "rank-0-1"])
        assert ((began - start).seconds, (ended - start).seconds) == (5, 31)
