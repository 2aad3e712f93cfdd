"""How the speed of a training step is measured."""

import re

import pytest
import torch
import training

from nas.training.schedule import Schedule
from nas.training.state import fresh_state
from tests.benchmarks.prepared import steps_side_by_side, training_row
from tests.benchmarks.printed import Place, printed


class TestTraining:
    def test_the_figures_are_medians_for_architectures_drawn_uniformly(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        steps_side_by_side(place)
        training.main()
        # The seeds 0, 1 and 2 are 0, 0.25 and 0.5 above the limits 1.7, 2.1 and 1.5.
        assert printed(capsys).figures == {
            "speedup_w8_n1_r16": pytest.approx(1.95),
            "speedup_w8_n5_r32": pytest.approx(2.35),
            "speedup_w5_n5_r32": pytest.approx(1.75),
        }

    def test_a_ratio_below_its_limit_fails_after_the_figures(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        steps_side_by_side(place)
        place.replace(
            training,
            measure=lambda *given: training_row(*given) | {"ratio": 2.0},
        )
        with pytest.raises(SystemExit, match="slower than promised"):
            training.main()
        assert printed(capsys).figures["speedup_w8_n5_r32"] == 2.0

    def test_the_plain_network_computes_what_ours_does(self) -> None:
        setting = training.Setting(8, 2, 8, steps=3, limit=1.0)
        experiment = training.experiment_of(setting, "uniform", 0)
        ours = fresh_state(experiment, None).supernet.double()
        plain = training.PlainNetwork(8, 2).double()
        with torch.no_grad():
            for name, weight in ours.named_parameters():
                # blocks.3.operations.2-nor_conv_1x1.0.weight is blocks.3.edges.2.nor_conv_1x1.1.weight.
                edge = r"operations\.(\d+)-(\w+)\.0"
                there = re.sub(edge, r"edges.\1.\2.1", name).replace("widen.0", "1")
                plain.get_parameter(there).copy_(weight)
        images, _ = experiment.batches[0]
        schedule = Schedule(experiment.spec, experiment.partition, num_images=512)
        for step in range(20):
            (route,) = schedule.routes(step)
            architecture = route.architecture
            difference = ours(images.double(), architecture) - plain(images.double(), architecture)
            assert difference.abs().max() < 1e-9, architecture

    def test_both_are_timed_on_the_architectures_of_the_sampler(self) -> None:
        setting = training.Setting(4, 1, 4, steps=3, limit=1.0)
        row = training.measure(setting, "balanced", 1)
        assert row["ratio"] == pytest.approx(row["plain_ms"] / row["ours_ms"], rel=0.05)
        assert row["steps"] == 5
