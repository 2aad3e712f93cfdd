"""bfloat16: only what flows through the network is; what is kept stays float32."""

import pytest
import torch

from nas.training import loop
from nas.training.loop import train
from nas.training.state import fresh_state


def test_with_bfloat16_the_loss_falls_and_what_is_kept_stays_float32(make_experiment) -> None:
    experiment = make_experiment(
        steps=600, batch_size=64, learning_rate=0.3, augmentation={}, precision="bfloat16"
    )
    state = fresh_state(experiment, 2)
    losses = [event.loss for until in (60, 600) for event in train(experiment, state, until)]
    assert losses[-1] < 0.8 * losses[0]
    assert {weight.dtype for weight in state.supernet.state_dict().values()} == {torch.float32}
    assert {value.dtype for value in state.optimizer.momentum.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_the_precision_is_that_of_the_forward_pass(
    make_experiment, monkeypatch, precision, expected
) -> None:
    plain, seen = loop.cross_entropy, []

    def noted(logits, labels):
        seen.append(logits.dtype)
        loss = plain(logits, labels)
        assert loss.dtype == torch.float32
        return loss

    monkeypatch.setattr(loop, "cross_entropy", noted)
    experiment = make_experiment(precision=precision)
    list(train(experiment, fresh_state(experiment, None), 2))
    assert seen == [expected] * 2
