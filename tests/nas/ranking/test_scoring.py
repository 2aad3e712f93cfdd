import math
import random

import numpy as np
import pytest
import torch

from nas.data.dataset import ImageDataset, ImageSplit
from nas.errors import ScoreUndefined
from nas.ranking.scorers.accuracy import AccuracyScorer
from nas.ranking.scorers.loss import LossScorer
from nas.ranking.scoring import score, scoring_images
from nas.seeds import derive_seed
from nas.supernets.cell_network import CellNetwork
from nas.training.state import fresh_state


def dataset(num_validation: int) -> ImageDataset:
    """Images sorted by class whose only pixel tells which they are."""
    split = ImageSplit(
        np.arange(num_validation, dtype=np.uint8).reshape(-1, 1, 1, 1),
        np.sort(np.arange(num_validation) % 2).astype(np.int64),
    )
    return ImageDataset(split, split, split, ("a", "b"), split_seed=0)


def test_loss_is_the_negative_mean_cross_entropy() -> None:
    # Softmax of (0, ln 3) is (1/4, 3/4).
    logits = torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)]])
    expected = (math.log(1 / 4) + math.log(3 / 4)) / 2
    assert LossScorer().from_logits(logits, torch.tensor([0, 1])) == pytest.approx(expected)


def test_accuracy_is_the_percentage_of_right_answers() -> None:
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [2.0, 1.0]])
    assert AccuracyScorer().from_logits(logits, torch.tensor([0, 1, 0, 1])) == 50.0


@pytest.mark.parametrize("scorer", [LossScorer(), AccuracyScorer()], ids=lambda one: one.kind)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_outputs_that_are_not_finite_have_no_score(scorer, value: float) -> None:
    logits = torch.tensor([[value, 0.0], [0.0, 1.0]])
    with pytest.raises(ScoreUndefined, match="lower the learning rate"):
        scorer.from_logits(logits, torch.tensor([1, 1]))


def test_fewer_images_are_the_first_of_more_in_the_same_order() -> None:
    images = dataset(100)
    many = scoring_images(images, num_images=100, batch_size=25, device="cpu")
    few = scoring_images(images, num_images=50, batch_size=25, device="cpu")
    assert torch.equal(torch.cat(few.batches), torch.cat(many.batches)[:50])
    assert torch.equal(few.labels, many.labels[:50])
    assert [len(batch) for batch in many.batches] == [25, 25, 25, 25]


def test_batches_mix_the_classes_of_a_sorted_dataset() -> None:
    found = scoring_images(dataset(100), num_images=100, batch_size=25, device="cpu")
    for labels in found.labels.split(25):
        assert 5 <= int(labels.sum()) <= 20
    assert int(found.labels.sum()) == 50


def test_a_last_single_image_joins_the_batch_before_it() -> None:
    found = scoring_images(dataset(51), num_images=1000, batch_size=25, device="cpu")
    assert [len(batch) for batch in found.batches] == [25, 26]


def test_one_forward_pass_serves_every_scorer(make_experiment) -> None:
    experiment = make_experiment()
    supernet = fresh_state(experiment, 0).supernet
    assert isinstance(supernet, CellNetwork)
    passes = []
    supernet.classifier.register_forward_hook(lambda _, given, __: passes.append(len(given[0])))
    member = experiment.space.sample(random.Random(0))
    images = experiment.scoring_images
    both = score(supernet, member, images, [LossScorer(), AccuracyScorer()])
    assert passes == [50, 50, 20]
    assert both == (
        *score(supernet, member, images, [LossScorer()]),
        *score(supernet, member, images, [AccuracyScorer()]),
    )


def test_scores_read_the_validation_images_alone(make_experiment) -> None:
    experiment = make_experiment()
    images = experiment.scoring_images
    labels = experiment.dataset.validation.labels
    order = torch.randperm(
        len(labels),
        generator=torch.Generator().manual_seed(derive_seed(0, "scoring order")),
    )[:120]
    assert torch.equal(images.labels, torch.from_numpy(labels)[order])
