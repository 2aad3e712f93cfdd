"""A batch must be shared equally by the processes that train on it."""

import pytest
from pydantic import ValidationError

from nas.training.spec import TrainingSpec


def test_processes_that_share_the_batch_equally_are_taken() -> None:
    assert TrainingSpec(steps=1, batch_size=12, processes=6).processes == 6
    assert TrainingSpec(steps=1, processes=8).batch_size == 64


@pytest.mark.parametrize(
    ("batch_size", "processes", "possible"), [(64, 3, 66), (6, 4, 8), (7, 7, 14), (65, 2, 66)]
)
def test_others_are_refused_at_their_field_with_a_size_that_would_do(
    batch_size: int, processes: int, possible: int
) -> None:
    with pytest.raises(ValidationError) as caught:
        TrainingSpec(steps=1, batch_size=batch_size, processes=processes)
    (error,) = caught.value.errors()
    assert error["loc"] == ("processes",)
    assert f"batch_size {batch_size} cannot be shared by {processes} processes" in error["msg"]
    assert error["msg"].endswith(f"the next size that can be is {possible}")
    assert TrainingSpec(steps=1, batch_size=possible, processes=processes)


def test_a_refused_batch_size_is_named_alone() -> None:
    with pytest.raises(ValidationError) as caught:
        TrainingSpec(steps=1, batch_size=1, processes=2)
    assert [error["loc"] for error in caught.value.errors()] == [("batch_size",)]
