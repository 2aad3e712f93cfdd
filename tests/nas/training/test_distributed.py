"""Several processes train a unit together. Here they are threads: the links are the same."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import timedelta
from threading import Thread

import pytest
import torch
from torch import distributed as dist
from torch.nn.functional import cross_entropy

from nas import pipeline
from nas.training import loop
from nas.training.distributed import Follower, Leader, Links, MemberFailed
from nas.training.loop import train, update
from nas.training.samplers.base import Route
from nas.training.schedule import Schedule
from nas.training.state import TrainState, fresh_state
from nas.training.team import Team

ARCHITECTURE = ("nor_conv_3x3", "none", "nor_conv_1x1")
SECONDS = timedelta(seconds=30)


def links(size: int) -> list[Links]:
    """Return the two ends of a connection, or more, between threads."""
    store = dist.HashStore()

    def connect(rank: int) -> Links:
        group = dist.ProcessGroupGloo(store, rank, size, SECONDS)
        return Links(rank, size, group, group, store)

    with ThreadPoolExecutor(size) as threads:
        return list(threads.map(connect, range(size)))


def together(size: int, lead: Callable[[Leader], None]) -> list[TrainState | None]:
    """Let one thread lead and the others follow; return what these were left with."""
    first, *others = links(size)
    with ThreadPoolExecutor(size) as threads:
        followers = [threads.submit(Follower(link, "cpu").follow) for link in others]
        leader = Leader(first)
        lead(leader)
        leader.end()
        return [follower.result(timeout=30) for follower in followers]


def digest(state: TrainState) -> str:
    """Return the SHA-256 of every weight and momentum."""
    found = hashlib.sha256()
    for value in state.supernet.state_dict().values():
        found.update(value.numpy().tobytes())
    for momentum in state.optimizer.stored_momentum(state.supernet).values():
        found.update(momentum.numpy().tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("size", [2, 4])
def test_every_process_ends_with_the_same_bits(make_experiment, monkeypatch, size) -> None:
    # A report, hence a word between the processes, after every few steps.
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.02)
    experiment = make_experiment(processes=size)
    state = fresh_state(experiment, None)
    fresh = digest(state)

    def lead(leader: Leader) -> None:
        list(pipeline.train_unit(experiment, state, leader))

    followers = together(size, lead)
    assert len(followers) == size - 1
    assert {digest(follower) for follower in followers if follower} == {digest(state)} != {fresh}
    assert all(follower and follower.next_step == 24 for follower in followers)


def test_a_step_is_that_of_the_mean_of_the_shares_gradients(make_experiment) -> None:
    experiment = make_experiment(processes=2, gradient_clip=None, momentum=0, weight_decay=0)
    state = fresh_state(experiment, None)
    schedule = Schedule(experiment.spec, experiment.partition, len(experiment.train_images))
    images, labels = experiment.train_images.augmented(
        schedule.image_indices(0), experiment.spec.training.augmentation, schedule.augmentation(0)
    )
    before = deepcopy(state.supernet)
    shares, losses = [], []
    for part in (slice(0, 8), slice(8, 16)):
        alone = deepcopy(before)
        loss = cross_entropy(alone(images[part], ARCHITECTURE), labels[part])
        loss.backward()
        losses.append(loss.item())
        shares.append({name: weight.grad for name, weight in alone.named_parameters()})
    route = Route(experiment.partition.route(ARCHITECTURE), ARCHITECTURE)
    links_of_two = links(2)
    states = [state, deepcopy(state)]

    def step(rank: int) -> float:
        # `update` asks a team for its share and its sum alone.
        member = (Leader, lambda link: Follower(link, "cpu"))[rank](links_of_two[rank])
        return update(experiment, states[rank], schedule, [route], member)

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(step, range(2)))
    assert found == pytest.approx([sum(losses) / 2] * 2, rel=1e-6)
    old = dict(before.named_parameters())
    for name, weight in state.supernet.named_parameters():
        first, second = (share[name] for share in shares)
        moved = 0 if first is None else schedule.learning_rate(0) * (first + second) / 2
        assert torch.allclose(weight, old[name] - moved, rtol=1e-5, atol=1e-7), name
        assert torch.equal(weight, old[name]) == (first is None), name
    (trained,) = (count for count in state.balance if count.updates)
    assert trained.images == 16  # of all shares


def test_a_leader_that_stops_takes_the_others_to_its_next_unit(
    make_experiment, monkeypatch
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    experiment = make_experiment(processes=2)
    stopped, other = fresh_state(experiment, 2), fresh_state(experiment, 0)

    def lead(leader: Leader) -> None:
        events = pipeline.train_unit(experiment, stopped, leader)
        next(events)
        next(events)
        events.close()
        list(pipeline.train_unit(experiment, other, leader))

    (follower,) = together(2, lead)
    assert 0 < stopped.next_step < 24
    assert follower is not None
    assert (follower.subspace, digest(follower)) == (0, digest(other))


def test_stopped_and_resumed_a_team_ends_with_the_same_bits(make_experiment, monkeypatch) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    experiment = make_experiment(processes=2)
    whole, first = fresh_state(experiment, None), fresh_state(experiment, None)
    resumed: list[TrainState] = []

    def lead(leader: Leader) -> None:
        list(pipeline.train_unit(experiment, whole, leader))
        events = pipeline.train_unit(experiment, first, leader)
        for _ in range(7):
            next(events)
        resumed.append(TrainState.from_bytes(experiment, first.to_bytes()))
        list(pipeline.train_unit(experiment, resumed[0], leader))

    together(2, lead)
    assert first.next_step < 24
    assert digest(resumed[0]) == digest(whole)


def test_halves_of_shares_are_cut_in_every_process(make_experiment, monkeypatch) -> None:
    sizes = set()
    plain = loop.cross_entropy

    def noted(logits, labels):
        sizes.add(len(labels))
        return plain(logits, labels)

    monkeypatch.setattr(loop, "cross_entropy", noted)
    experiment = make_experiment(processes=2)
    state = fresh_state(experiment, None)

    def lead(leader: Leader) -> None:
        leader.micro_batches = 2
        leader.begin(experiment, state)
        list(train(experiment, state, 4, leader))

    (follower,) = together(2, lead)
    assert follower is not None
    assert digest(follower) == digest(state)
    assert sizes == {4}


def test_one_process_of_a_team_of_one_is_a_process_alone(make_experiment) -> None:
    experiment = make_experiment()
    alone, led = fresh_state(experiment, None), fresh_state(experiment, None)
    list(train(experiment, alone, 24, Team()))
    together(
        1, lambda leader: (leader.begin(experiment, led), list(train(experiment, led, 24, leader)))
    )
    assert digest(led) == digest(alone)


@pytest.mark.parametrize(("out_of_memory", "error"), [(True, MemoryError), (False, MemberFailed)])
def test_the_leader_learns_why_another_process_failed(out_of_memory, error) -> None:
    store = dist.HashStore()

    class Broken:
        def allreduce(self, tensors):
            raise RuntimeError("Connection closed by peer")

    follower = Follower(Links(1, 2, Broken(), Broken(), store), "cpu")
    late = Thread(
        target=lambda: follower.leave_word("OutOfMemoryError: 2 GiB", out_of_memory=out_of_memory)
    )
    leader = Leader(Links(0, 2, Broken(), Broken(), store))
    network = torch.nn.Linear(1, 1)
    network(torch.ones(1, 1)).sum().backward()
    late.start()
    with pytest.raises(error, match="2 GiB"):
        leader.combine(list(network.parameters()), torch.zeros(1))
    late.join()


def test_a_process_lost_without_a_word_is_said_so(monkeypatch) -> None:
    monkeypatch.setattr("nas.training.distributed.FAILURE_SECONDS", 0.0)

    class Broken:
        def allreduce(self, tensors):
            raise RuntimeError("Connection closed by peer")

    leader = Leader(Links(0, 2, Broken(), Broken(), dist.HashStore()))
    with pytest.raises(MemberFailed, match="Connection closed by peer"):
        leader.combine([], torch.zeros(1))
