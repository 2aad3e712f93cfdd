"""How the cost of live ranking is measured."""

from types import SimpleNamespace

import live_cost
import pytest

from nas.events import ArchitecturesScored, RoundFinished
from nas.spec import RunSpec
from tests.benchmarks.prepared import live, live_cost_row
from tests.benchmarks.printed import Place, printed


class TestLiveCost:
    def test_a_share_above_the_limit_fails_after_its_figures(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        live(place)
        shares = {"digits-mini": 0.02, "nas-bench-201": 0.1501}
        place.replace(live_cost, measure=lambda space, _: live_cost_row(space, shares[space]))
        with pytest.raises(SystemExit, match=r"more than 15% of training") as failure:
            live_cost.main()
        assert failure.value.code not in (0, None)
        figures = printed(capsys).figures
        assert figures["share_max"] == 0.1501
        assert figures["limit"] == 0.15

    def test_live_scores_are_timed_apart_from_training(self, place: Place) -> None:
        live_scores = ArchitecturesScored(step=1, scores=())
        events = [RoundFinished(1), live_scores, live_scores, RoundFinished(2)]
        # Seconds before the first event, between the events, and after the last one.
        times = iter([100.0, 103.0, 103.0, 103.5, 103.5, 104.25, 104.25, 109.25, 109.25])
        place.replace(
            live_cost,
            fresh_state=lambda *_: None,
            train_unit=lambda *_: iter(events),
            time=SimpleNamespace(process_time=lambda: next(times)),
        )
        assert live_cost.seconds_of(None) == (8.0, 1.25)

    def test_it_is_measured_with_the_default_settings(self, place: Place) -> None:
        place.replace(live_cost, seconds_of=lambda _: (20.0, 1.0))
        row = live_cost.measure("digits-mini", None)
        assert row["share"] == 0.05
        spec = RunSpec.model_validate(row["spec"])
        assert spec.ranking == type(spec.ranking)()
        assert spec.training.warm_up_steps == row["steps"] == 2 * spec.ranking.every_steps
