import copy
import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from nas.data.dataset import ImageSplit
from nas.data.digits import digits
from nas.errors import TrainingDiverged
from nas.events import StandAloneProgressed
from nas.spaces import catalogue
from nas.training import standalone
from nas.training.batches import PixelStatistics
from nas.training.recipe import AugmentationSpec, StandAloneRecipe
from nas.training.standalone import StandAloneTrainer

SPACE = catalogue()["digits-mini"]
RECIPE = StandAloneRecipe(epochs=2, augmentation=AugmentationSpec(gaussian_noise=0.5))
CONVOLUTIONS = ("nor_conv_3x3", "skip_connect", "nor_conv_3x3")


def first_images(split: ImageSplit, number: int) -> ImageSplit:
    return ImageSplit(split.images[:number], split.labels[:number])


def normalised(split: ImageSplit, pixels: PixelStatistics) -> tuple[torch.Tensor, torch.Tensor]:
    images = (torch.from_numpy(split.images) - pixels.mean[:, None, None]) / pixels.deviation[
        :, None, None
    ]
    return images, torch.from_numpy(split.labels)


def test_a_trained_network_reads_digits_and_a_dead_one_cannot() -> None:
    trainer = StandAloneTrainer(SPACE, digits(), RECIPE.model_copy(update={"epochs": 8}))
    assert trainer.test_accuracy(CONVOLUTIONS, seed=0) > 50
    assert trainer.test_accuracy(("none", "none", "none"), seed=0) < 12


def test_the_accuracy_is_a_function_of_architecture_and_seed() -> None:
    recipe = RECIPE.model_copy(update={"epochs": 1})
    one, other = (StandAloneTrainer(SPACE, digits(), recipe) for _ in range(2))
    first = one.test_accuracy(CONVOLUTIONS, seed=3)
    torch.manual_seed(99)
    other.test_accuracy(("skip_connect", "none", "nor_conv_1x1"), seed=3)
    assert other.test_accuracy(CONVOLUTIONS, seed=3) == first
    assert one.test_accuracy(CONVOLUTIONS, seed=4) != first


def test_the_dead_edges_of_an_architecture_do_not_matter() -> None:
    trainer = StandAloneTrainer(SPACE, digits(), RECIPE.model_copy(update={"epochs": 1}))
    # Without 2<-1, nothing reads node 1.
    accuracies = {
        trainer.test_accuracy((first, "nor_conv_1x1", "none"), seed=0)
        for first in ("none", "nor_conv_3x3", "avg_pool_3x3")
    }
    assert len(accuracies) == 1


def finished(training) -> tuple[list[StandAloneProgressed], float]:
    """Exhaust a training; return its reports and the accuracy."""
    reports = []
    while True:
        try:
            reports.append(next(training))
        except StopIteration as end:
            return reports, end.value


def test_validation_accuracy_is_that_of_the_same_network_and_never_reads_test_images() -> None:
    dataset = digits()
    recipe = RECIPE.model_copy(update={"epochs": 1})
    swapped = replace(dataset, validation=dataset.test, test=dataset.validation)
    on_test = StandAloneTrainer(SPACE, swapped, recipe).test_accuracy(CONVOLUTIONS, seed=3)

    class Unreadable:
        def __getattr__(self, name: str) -> None:
            raise AssertionError("test images were read")

    hidden = replace(dataset)
    object.__setattr__(hidden, "test", Unreadable())
    trainer = StandAloneTrainer(SPACE, hidden, recipe)
    reports, accuracy = finished(trainer.reported_accuracy(CONVOLUTIONS, 3, 0))
    assert accuracy == on_test
    assert reports[-1].step == reports[-1].num_steps == trainer.num_steps == 15
    assert sum(report.updates for report in reports) == 15
    assert sum(report.images for report in reports) == 15 * 64


def test_a_training_reports_as_it_goes(monkeypatch) -> None:
    monkeypatch.setattr(standalone, "REPORT_SECONDS", 0.0)
    trainer = StandAloneTrainer(SPACE, digits(), RECIPE.model_copy(update={"epochs": 1}))
    reports, _ = finished(trainer.reported_accuracy(CONVOLUTIONS, 3, 2))
    assert [report.step for report in reports] == list(range(1, 16))
    assert {report.seed for report in reports} == {2}
    assert all(report.part_seconds.forward > 0 for report in reports)


def test_a_training_that_diverged_has_no_accuracy() -> None:
    recipe = RECIPE.model_copy(update={"learning_rate": 1e30})
    trainer = StandAloneTrainer(SPACE, digits(), recipe)
    with pytest.raises(TrainingDiverged, match="outputs that are not finite"):
        trainer.test_accuracy(CONVOLUTIONS, seed=0)


def test_an_epoch_holds_each_image_once_and_leaves_the_incomplete_batch_out() -> None:
    dataset = digits()
    small = replace(dataset, train=first_images(dataset.train, 10))
    trainer = StandAloneTrainer(SPACE, small, RECIPE.model_copy(update={"batch_size": 4}))
    training = trainer.begin(CONVOLUTIONS, seed=0)
    orders = []
    for _ in range(trainer.num_steps):
        trainer.advance(training)
        orders.append(training.order)
    assert trainer.num_steps == 4
    assert torch.equal(orders[0], orders[1])
    assert torch.equal(orders[2], orders[3])
    assert not torch.equal(orders[0], orders[2])
    assert sorted(orders[0].tolist()) == list(range(10))


def test_the_learning_rate_rises_in_the_warm_up_and_then_falls_to_zero() -> None:
    recipe = StandAloneRecipe(epochs=3, batch_size=500, learning_rate=0.4, warm_up_epochs=1)
    trainer = StandAloneTrainer(SPACE, digits(), recipe)
    rates = [trainer.learning_rate(step) for step in range(trainer.num_steps)]
    # Two steps of warm-up, then a cosine over four.
    expected = [0.2, 0.4, 0.4, 0.4 * (1 + 2**-0.5) / 2, 0.2, 0.4 * (1 - 2**-0.5) / 2]
    assert rates == pytest.approx(expected)


def test_a_warm_up_as_long_as_the_training_is_refused() -> None:
    with pytest.raises(ValidationError, match="5 must be below epochs 5"):
        StandAloneRecipe(epochs=5, warm_up_epochs=5)


def test_smoothed_labels_give_the_loss_that_is_defined_so() -> None:
    dataset = digits()
    small = replace(dataset, train=first_images(dataset.train, 8))
    recipe = StandAloneRecipe(epochs=1, batch_size=8, label_smoothing=0.3)
    trainer = StandAloneTrainer(SPACE, small, recipe)
    training = trainer.begin(CONVOLUTIONS, seed=0)
    network = copy.deepcopy(training.network)
    loss = trainer.advance(training)
    images, labels = (part[training.order] for part in normalised(small.train, trainer.pixels))
    logs = network(images, CONVOLUTIONS).detach().log_softmax(dim=1)
    targets = 0.7 * torch.nn.functional.one_hot(labels, 10) + 0.03
    assert loss.item() == pytest.approx(float(-(targets * logs).sum(dim=1).mean()), rel=1e-5)


def test_clipped_gradients_move_the_weights_no_further_than_asked() -> None:
    moved = {}
    for clip in (None, 0.01):
        recipe = StandAloneRecipe(epochs=1, gradient_clip=clip, weight_decay=0, momentum=0)
        trainer = StandAloneTrainer(SPACE, digits(), recipe)
        training = trainer.begin(CONVOLUTIONS, seed=0)
        before = [weight.detach().clone() for weight in training.optimizer.weights]
        trainer.advance(training)
        after = [weight.detach() for weight in training.optimizer.weights]
        squares = [(b - a).square().sum() for b, a in zip(before, after, strict=True)]
        moved[clip] = math.sqrt(float(sum(squares))) / recipe.learning_rate
    assert moved[0.01] == pytest.approx(0.01, rel=1e-3)
    assert moved[None] > 0.1
