"""Read schemas with sensible values, each overridable by keyword."""

from datetime import UTC, datetime, timedelta
from math import comb

from backend.runs.schemas import (
    BalanceRead,
    CandidateRead,
    CombinationRead,
    CorrelationRead,
    EventRead,
    FrontPoint,
    MetricRead,
    RandomPoint,
    RetrainedRead,
    RetrainingEpochRead,
    RetrainingRead,
    RunRead,
    ScoreRead,
    SearchControl,
    SubspaceRead,
    TelemetryRead,
    TrueFront,
    UnitRead,
)
from nas.spec import RunSpec
from nas.training.recipes.digits import DigitsRecipe
from tests.ranked import stored_correlation, stored_measures

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def spec(**changes):
    document = {
        "name": "made",
        "space": "digits-mini",
        "dataset": "digits",
        "training": {"steps": 1000, "warm_up_steps": 400},
        "search": {"kind": "random", "budget": 10},
    }
    return RunSpec.model_validate({**document, **changes})


def trading_run(**changes):
    """A run whose search trades the loss for FLOPs."""
    search = {"kind": "random", "budget": 10, "objectives": ["loss", "flops"]}
    return run(spec=spec(search=search), **changes)


def run(**changes):
    values = {
        "id": 7,
        "name": "made",
        "state": "running",
        "space": "digits-mini@1",
        "dataset": "digits@1",
        "benchmark": "digits-mini@1",
        "benchmark_column": "digits/accuracy",
        "num_subspaces": 2,
        "progress": 0.5,
        "tau": None,
        "revision": 3,
        "archived": False,
        "waiting_reason": None,
        "failure_class": None,
        "failure_message": None,
        "created_at": NOW,
        "started_at": NOW,
        "finished_at": None,
        "spec": spec(),
        "note": "",
        "cloned_from": None,
        "inherits_from": None,
        "noise_ceiling": 0.8,
        "allowed_actions": [],
    }
    return RunRead(**{**values, **changes})


def subspaces(*sizes, dead=0, targets=None, operations=None, landmarks=None):
    """One sub-space per valid size; `dead` architectures belong to the first.

    `targets` are shares of all updates and `operations` those of each decision; without the former
    all sub-spaces are to be trained alike, and `targets=()` is a sampler without a target.
    `landmarks` are the numbers of different ones that the sub-spaces own.
    """
    total = sum(sizes)
    return [
        SubspaceRead(
            index=index,
            label=f"count {index}",
            counts=[index],
            size_all=str(size + (dead if index == 0 else 0)),
            size_valid=str(size),
            share_valid=size / total,
            target_share=_target(targets, index, len(sizes)),
            target_updates=_target(targets, index, len(sizes)),
            operation_targets=operations,
            supernet_width=8 - index,
            supernet_parameters=str(2082 - index),
            num_landmarks=None if landmarks is None else landmarks[index],
            num_landmark_pairs=None if landmarks is None else comb(landmarks[index], 2),
        )
        for index, size in enumerate(sizes)
    ]


def _target(targets, index, number):
    if targets is None:
        return 1 / number
    return targets[index] if targets else None


def balance(
    subspace,
    updates,
    *,
    step=100,
    phase="train",
    unit=None,
    operations=(),
    banks=(),
    samples=None,
):
    """One architecture per update, unless `samples` says otherwise; `operations` counts them."""
    samples = updates if samples is None else samples
    return BalanceRead(
        unit=unit or ("warm-up" if phase == "warm-up" else f"train-{subspace}"),
        phase=phase,
        subspace=subspace,
        step=step,
        updates=updates,
        samples=samples,
        images=64 * samples,
        operation_updates=list(operations),
        operation_samples=list(operations),
        operation_images=[
            {name: 64 * number for name, number in decision.items()} for decision in operations
        ],
        bank_updates=list(banks),
    )


def metric(subspace, step, value, *, series="loss"):
    unit = "warm-up" if subspace is None else f"train-{subspace}"
    return MetricRead(unit=unit, subspace=subspace, series=series, step=step, value=value)


def telemetry(
    unit,
    second,
    *,
    kind="train",
    seconds=1.0,
    updates=0,
    images=0,
    cpu=None,
    memory=None,
    **parts,
):
    """What a unit did in the `seconds` that ended `second` seconds after `NOW`, by part."""
    shared = kind != "train" or unit == "warm-up"
    given = {
        part: parts.get(part, 0.0)
        for part in ("data", "forward", "backward", "optimizer", "ranking", "checkpoint")
    }
    useful = sum(given.values()) - given["checkpoint"]
    return TelemetryRead(
        unit=unit,
        kind="warm-up" if unit == "warm-up" else kind,
        subspace=None if shared else int(unit.split("-")[1]),
        attempt=1,
        at=NOW + timedelta(seconds=second),
        step=second,
        seconds=seconds,
        updates=updates,
        images=images,
        steps_per_second=updates / seconds if kind == "train" else None,
        samples_per_second=images / seconds if kind == "train" else None,
        **{f"{part}_seconds": value for part, value in given.items()},
        other_seconds=seconds - sum(given.values()),
        useful_share=useful / seconds,
        cpu_percent=cpu,
        memory_bytes=memory,
        gpu_percent=None,
        gpu_memory_bytes=None,
    )


def score(architecture, value, accuracy, *, subspace=0, stage="live", step=100, scorer="loss"):
    return ScoreRead(
        ranked=True,
        stage=stage,
        step=step,
        scorer=scorer,
        architecture=architecture,
        subspace=subspace,
        score=value,
        true_accuracy=accuracy,
    )


def correlation(
    tau, *, step=100, stage="live", scope="overall", n=10, ties=0, scorer="loss", **others
):
    """All measures have the value `tau`, but for `others`, by name with underscores."""
    row = {
        **stored_correlation(tau, n=n, ties=ties),
        "measures": stored_measures(tau, n=n, ties=ties, **others),
        "conditions": {"split": "validation"},
    }
    return CorrelationRead(stage=stage, step=step, scorer=scorer, scope=scope, **row)


def combination(scorer, *, tau=None, landmarks=0, offsets=None):
    return CombinationRead(
        scorer=scorer,
        components=["loss", "flops"],
        num_reference=1000,
        num_landmarks=landmarks,
        left_out_tau=tau,
        offsets=offsets,
        landmarks=[],
    )


def candidate(
    evaluation, value, *, best=None, accuracy=None, rank=None, subspace=0, code="a", flops=1000
):
    """A candidate of `trading_run`."""
    return CandidateRead(
        evaluation=evaluation,
        architecture=code,
        subspace=subspace,
        score=value,
        best_score=value if best is None else best,
        flops=flops,
        parameters=100,
        nonlinearity_count=1,
        objectives={"loss": value, "flops": float(flops)},
        seconds=evaluation / 4,
        latency_ms=None,
        latency_spread_ms=None,
        latency_device=None,
        true_accuracy=accuracy,
        true_rank=rank,
    )


def timed_run(**latency):
    """A run whose search trades the loss for latency, by default a measured one."""
    search = {"kind": "random", "budget": 10, "objectives": ["loss", "latency"]}
    return run(spec=spec(search={**search, "latency": latency or {"kind": "measured"}}))


def timed_candidate(evaluation, value, ms, spread=0.125, device="cpu Some Chip", code="a"):
    """A candidate of `timed_run`."""
    latency = {"latency_ms": ms, "latency_spread_ms": spread, "latency_device": device}
    objectives = {"loss": value, "latency": ms}
    made = candidate(evaluation, value, code=code)
    return made.model_copy(update={**latency, "objectives": objectives})


def unit(kind, state="leased", *, subspace=None, progress=0, total=0, key=None, **changes):
    values = {
        "id": 1,
        "key": key or kind,
        "kind": kind,
        "subspace": subspace,
        "chunk": None,
        "depends_on": [],
        "state": state,
        "attempt": 1,
        "owner": None,
        "lease_until": None,
        "progress": progress,
        "total": total,
        "micro_batches": 1,
        "useful_seconds": 0.0,
        "failure_class": None,
        "failure_message": None,
        "started_at": None,
        "progress_at": None,
        "finished_at": None,
    }
    return UnitRead(**{**values, **changes})


def event(number, message, *, level="info", unit=None):
    return EventRead(
        id=number, unit=unit, kind="log", level=level, message=message, data={}, created_at=NOW
    )


def retraining(number, code, *, seed=0, **changes):
    """One training under way, of an architecture that won."""
    values = {
        "number": number,
        "unit": f"retrain-{number}",
        "state": "leased",
        "architecture": code,
        "subspace": 0,
        "origin": "winner",
        "seed": seed,
        "recipe": DigitsRecipe(),
        "width": None,
        "cells_per_stage": None,
        "epochs": 0,
        "max_epochs": 60,
        "best_epoch": None,
        "kept_epoch": None,
        "validation_accuracy": None,
        "test_accuracy": None,
        "seconds": None,
        "device": None,
        "weights_sha256": None,
        "failure": None,
    }
    return RetrainingRead(**{**values, **changes})


def retraining_epoch(number, epoch, accuracy, *, loss=0.5):
    return RetrainingEpochRead(
        number=number, epoch=epoch, loss=loss, learning_rate=0.1, accuracy=accuracy
    )


def retrained(code, numbers, **changes):
    """What the trainings of an architecture found, by default nothing yet."""
    values = {
        "architecture": code,
        "subspace": 0,
        "origin": "winner",
        "recipe": "digits",
        "width": None,
        "cells_per_stage": None,
        "numbers": numbers,
        "num_done": 0,
        "num_diverged": 0,
        "test_accuracy": None,
        "test_deviation": None,
        "validation_accuracy": None,
        "scorer": "loss",
        "score": None,
        "true_accuracy": None,
    }
    return RetrainedRead(**{**values, **changes})


def search_control(**changes):
    random = [
        RandomPoint(evaluation=number, mean=80.0 + number, low=79.0 + number, high=81.0 + number)
        for number in (1, 2, 10)
    ]
    values = {"best_accuracy": 94.5, "num_scored": 100, "is_whole_space": False, "random": random}
    return SearchControl(**(values | changes))


def true_front():
    points = [
        FrontPoint(architecture=code, objectives={"accuracy": accuracy, "flops": flops})
        for code, accuracy, flops in (("a", 90.0, 30.0), ("b", 80.0, 20.0))
    ]
    return TrueFront(
        objectives=["accuracy", "flops"],
        front=points,
        found=points[1:],
        hypervolume_share=0.876,
        num_known=15284,
    )
