"""What is fed to networks depends on the seed alone."""

import pytest
import torch

from nas.errors import ScoreUndefined
from nas.experiment import Experiment
from nas.ranking.probe_images import ProbeImages


def probe(experiment: Experiment, seed: int = 0) -> ProbeImages:
    return ProbeImages(
        experiment.train_images,
        seed=seed,
        image_shape=experiment.dataset.image_shape,
        device="cpu",
    )


def test_the_seed_decides_and_the_order_of_questions_does_not(make_experiment) -> None:
    experiment = make_experiment()
    one, other = probe(experiment), probe(experiment)
    other.inputs("images", 3)
    like = torch.zeros(2, 3, 4, 4)
    for kind in ("noise", "images"):
        assert torch.equal(one.inputs(kind, 8), other.inputs(kind, 8))
        assert not torch.equal(one.inputs(kind, 8), probe(experiment, 1).inputs(kind, 8))
    assert torch.equal(one.signs(0, like), other.signs(0, like))
    assert not torch.equal(one.signs(0, like), one.signs(1, like))


def test_noise_is_standard_normal_in_the_shape_of_the_dataset(make_experiment) -> None:
    noise = probe(make_experiment()).inputs("noise", 500)
    assert noise.shape == (500, 1, 8, 8)
    assert noise.is_contiguous(memory_format=torch.channels_last)
    # Four standard deviations of the mean of 32,000 draws.
    assert abs(float(noise.mean())) < 0.023
    assert float(noise.std()) == pytest.approx(1, abs=0.02)


def test_signs_are_plus_and_minus_one_as_often(make_experiment) -> None:
    signs = probe(make_experiment()).signs(0, torch.zeros(10, 10, 10, 10))
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    assert abs(float(signs.mean())) < 0.04


def test_images_are_normalised_training_images_and_fewer_the_first_of_more(
    make_experiment,
) -> None:
    experiment = make_experiment()
    images = probe(experiment)
    all_of_them = images.inputs("images", 10_000)
    assert len(all_of_them) == len(experiment.dataset.train)
    assert float(all_of_them.mean()) == pytest.approx(0, abs=1e-5)
    assert torch.equal(images.inputs("images", 7), all_of_them[:7])


def test_batches_are_images_with_their_labels_none_of_them_twice(make_experiment) -> None:
    experiment = make_experiment()
    images = probe(experiment)
    batches = images.batches(4, 16)
    assert [batch.shape for batch, _ in batches] == [(16, 1, 8, 8)] * 4
    joined = torch.cat([batch for batch, _ in batches])
    assert torch.equal(joined, images.inputs("images", 64))
    assert len(joined.flatten(1).unique(dim=0)) == 64
    train = experiment.train_images
    everything, labels = train.plain(torch.arange(len(train)))
    for batch, found in batches:
        for image, label in zip(batch, found, strict=True):
            same = (everything == image).flatten(1).all(dim=1)
            assert label in labels[same]


def test_a_small_dataset_has_smaller_batches_or_none(make_experiment) -> None:
    experiment = make_experiment()
    images, number = probe(experiment), len(experiment.dataset.train)
    assert len(images.batches(3, 4096)[0][1]) == number // 3
    with pytest.raises(ScoreUndefined, match="lower the scorer's num_batches"):
        images.batches(number, 64)
