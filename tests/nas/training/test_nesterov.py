"""Against torch's own optimizer, bit by bit."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from nas.training.nesterov import Nesterov


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(2, 5), nn.Linear(7, 2, bias=False))


@pytest.mark.parametrize("weight_decay", [0.0, 5e-4])
@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_weights_and_momentum_are_those_of_torch_bit_by_bit(
    decay: float, weight_decay: float
) -> None:
    ours, theirs = network(), network()
    optimizer = Nesterov(ours.parameters(), decay=decay, weight_decay=weight_decay)
    reference = torch.optim.SGD(
        theirs.parameters(),
        lr=1.0,
        momentum=decay,
        weight_decay=weight_decay,
        nesterov=decay > 0,
    )
    torch.manual_seed(1)
    for step in range(6):
        learning_rate = 0.1 / (1 + step)
        optimizer.forget_gradients()
        reference.zero_grad(set_to_none=True)
        for index, (mine, other) in enumerate(
            zip(ours.parameters(), theirs.parameters(), strict=True)
        ):
            # The last weight never has a gradient, the second only in every second step.
            if index < 4 and (index != 1 or step % 2):
                mine.grad = torch.randn_like(mine)
                other.grad = mine.grad.clone()
        optimizer.step(learning_rate)
        reference.param_groups[0]["lr"] = learning_rate
        reference.step()
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(mine, other)
            buffer = reference.state[other].get("momentum_buffer")
            assert (buffer is None) == (mine not in optimizer.momentum)
            if buffer is not None:
                assert torch.equal(optimizer.momentum[mine], buffer)


def test_weights_without_a_gradient_keep_their_momentum() -> None:
    trained = network()
    optimizer = Nesterov(trained.parameters(), decay=0.9, weight_decay=0.1)
    optimizer.step(0.1)
    assert not optimizer.momentum
    first, *_ = optimizer.weights
    first.grad = torch.ones_like(first)
    optimizer.step(0.1)
    assert set(optimizer.momentum) == {first}


def test_momentum_is_stored_and_restored_by_name_in_the_format_of_the_weight() -> None:
    trained, restored = network(), network().to(memory_format=torch.channels_last)
    optimizer = Nesterov(trained.parameters(), decay=0.9, weight_decay=0.0)
    for weight in optimizer.weights[:2]:
        weight.grad = torch.randn_like(weight)
    optimizer.step(0.1)
    stored = optimizer.stored_momentum(trained)
    assert set(stored) == {"0.weight", "0.bias"}
    heir = Nesterov(restored.parameters(), decay=0.9, weight_decay=0.0)
    heir.restore_momentum(restored, stored)
    found = heir.stored_momentum(restored)
    assert all(torch.equal(found[name], stored[name]) for name in stored)
    assert found["0.weight"].is_contiguous(memory_format=torch.channels_last)
    with pytest.raises(KeyError, match="elsewhere"):
        heir.restore_momentum(restored, {"elsewhere": stored["0.bias"]})
    with pytest.raises(ValueError, match=r"shape \(4,\) for 1.bias"):
        heir.restore_momentum(restored, {"1.bias": stored["0.bias"]})


def test_training_does_not_load_torchs_compiler() -> None:
    code = (
        "import sys, torch\n"
        "from torch import nn\n"
        "from nas.training.nesterov import Nesterov\n"
        "layer = nn.Linear(2, 2)\n"
        "optimizer = Nesterov(layer.parameters(), decay=0.9, weight_decay=0.1)\n"
        "layer(torch.ones(1, 2)).sum().backward()\n"
        "nn.utils.clip_grad_norm_(optimizer.weights, 1.0, foreach=True)\n"
        "optimizer.step(0.1)\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
