import pytest

from nas.training.default_recipe import default_recipe


@pytest.mark.parametrize(
    ("side", "num_train", "kind"),
    [
        (8, 1000, "digits"),
        (16, 5000, "digits"),
        (16, 5001, "cifar10"),
        (32, 1000, "cifar10"),
        (64, 50_000, "cifar10"),
        (65, 50_000, "efs-nas-mobilenet"),
        (224, 1_200_000, "efs-nas-mobilenet"),
    ],
)
def test_the_recipe_follows_from_the_images(side, num_train, kind):
    assert default_recipe(side, num_train).kind == kind
