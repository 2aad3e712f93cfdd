"""Runs in a database without a worker: rows as the recorder would have written them."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from backend.db import Database
from backend.models import (
    Balance,
    BenchmarkColumn,
    BenchmarkEntry,
    Candidate,
    Correlation,
    Metric,
    Run,
    Score,
    SubspaceRow,
    TelemetryRow,
    Unit,
)
from backend.runs import service
from backend.runs.states import append_event, bump
from nas.partition.base import Partition
from nas.spec import RunSpec
from tests.ranked import stored_correlation

START = datetime(2026, 1, 1, tzinfo=UTC)
STEPS = 600
WARM_UP = 200
EVERY = 100


def small_spec(**changes):
    document = {
        "name": "seeded",
        "space": "digits-mini",
        "dataset": "digits",
        "benchmark": None,
        "splitter": {"kind": "nonlinearity", "num_subspaces": 3},
        "training": {"steps": STEPS, "warm_up_steps": WARM_UP},
        "ranking": {"every_steps": EVERY, "num_architectures": 40, "live_architectures": 20},
        "search": {"kind": "random", "budget": 30},
    }
    return RunSpec.model_validate({**document, **changes})


@dataclass
class SeededRun:
    """Advances a run's rows step by step, each call one transaction that bumps the revision."""

    db: Database
    spec: RunSpec
    run_id: int = 0
    last_tau: float = 0.7
    partition: Partition | None = None
    rng: Random = field(default_factory=lambda: Random(0))
    units: dict[str, int] = field(default_factory=dict)
    updates: dict[int, int] = field(default_factory=dict)

    def create(self):
        with self.db.unit_of_work() as session:
            self.run_id = service.create_run(session, self.spec).id
        return self

    def start(self):
        """Split the space and plan the units."""
        with self.db.unit_of_work() as session:
            run = session.get_one(Run, self.run_id)
            run.state = "running"
            space = run.space.definition
            self.partition = self.spec.splitter.split(space)
            valid = sum(part.size.valid for part in self.partition.subspaces)
            sampler = self.spec.training.sampler
            shares = sampler.target_shares(self.partition)
            updates = sampler.target_updates(self.partition)
            operations = sampler.operation_targets(self.partition)
            for part in self.partition.subspaces:
                session.add(
                    SubspaceRow(
                        run_id=run.id,
                        index=part.index,
                        label=part.title,
                        counts=sorted(part.labels),
                        size_all=str(part.size.all),
                        size_valid=str(part.size.valid),
                        target_share=shares[part.index],
                        target_updates=updates[part.index],
                        operation_targets=operations[part.index],
                        supernet_width=8,
                        supernet_parameters="2082",
                    )
                )
            assert valid
            session.query(Unit).filter_by(run_id=run.id, key="partition").update(
                {"state": "done", "progress": 1}
            )
            kinds = [("warm-up", "warm-up", None, WARM_UP)]
            own = (STEPS - WARM_UP) // len(self.partition.subspaces)
            kinds += [
                (f"train-{part.index}", "train", part.index, own)
                for part in self.partition.subspaces
            ]
            kinds += [("search", "search", None, self.spec.search.budget)]
            for key, kind, subspace, total in kinds:
                unit = Unit(run_id=run.id, key=key, kind=kind, subspace=subspace, total=total)
                session.add(unit)
                session.flush()
                self.units[key] = unit.id
            append_event(session, run, "log", "Partition found.")
            bump(session, run.id)
        return self

    def train(self, step, *, commit_marker=False):
        """Advance every supernet to the global `step`."""
        with self.db.unit_of_work() as session:
            warm = step <= WARM_UP
            for part in self.partition.subspaces:
                key = "warm-up" if warm else f"train-{part.index}"
                done = (step if warm else step - WARM_UP) // len(self.partition.subspaces)
                unit = session.get_one(Unit, self.units[key])
                unit.state, unit.progress = "leased", step if warm else done
                chosen = [
                    {name: self.rng.randint(1, 9) for name in choices}
                    for choices in self.partition.space.choices
                ]
                session.add(
                    Balance(
                        unit_id=unit.id,
                        subspace=part.index,
                        step=step,
                        phase="warm-up" if warm else "train",
                        updates=done,
                        samples=done,
                        images=64 * done,
                        operation_updates=chosen,
                        operation_samples=chosen,
                        operation_images=[
                            {name: 64 * number for name, number in counts.items()}
                            for counts in chosen
                        ],
                        bank_updates=[],
                        run_id=self.run_id,
                    )
                )
                if not warm or part.index == 0:
                    session.add(
                        TelemetryRow(
                            unit_id=unit.id,
                            run_id=self.run_id,
                            at=START + timedelta(seconds=step),
                            attempt=1,
                            step=step,
                            seconds=2.0,
                            updates=100,
                            images=6400,
                            data_seconds=0.2,
                            forward_seconds=0.6,
                            backward_seconds=0.8,
                            optimizer_seconds=0.1,
                            ranking_seconds=0.2,
                            checkpoint_seconds=0.02,
                            cpu_seconds=1.9,
                            memory_bytes=400_000_000,
                        )
                    )
                    session.add(
                        Metric(
                            unit_id=unit.id,
                            series="loss",
                            step=step,
                            value=2.3 * math.exp(-step / 300) + 0.05 * self.rng.random(),
                            run_id=self.run_id,
                        )
                    )
            bump(session, self.run_id)

    def rank(self, step, *, stage="live", scorer="loss"):
        """Score one sample of architectures, and correlate."""
        space = self.partition.space
        sample_rng = Random(1)
        sample = dict.fromkeys(space.sample(sample_rng) for _ in range(60))
        with self.db.unit_of_work() as session:
            for architecture in sample:
                session.add(
                    Score(
                        run_id=self.run_id,
                        stage=stage,
                        step=step,
                        scorer=scorer,
                        architecture=space.encode(architecture),
                        subspace=self.partition.route(architecture),
                        score=-2 + step / STEPS + 0.2 * self.rng.random(),
                    )
                )
            scopes = ["overall", *(str(part.index) for part in self.partition.subspaces)]
            for place, scope in enumerate(scopes):
                tau = self.last_tau * step / STEPS - 0.05 * place
                session.add(
                    Correlation(
                        run_id=self.run_id,
                        stage=stage,
                        step=step,
                        scorer=scorer,
                        scope=scope,
                        **stored_correlation(tau, n=len(sample)),
                        conditions={"split": "validation", "batch_norm": "batch-stats"},
                    )
                )
            bump(session, self.run_id)

    def search(self, evaluations):
        """Evaluate `evaluations` candidates."""
        space = self.partition.space
        best = -10.0
        with self.db.unit_of_work() as session:
            for evaluation in range(1, evaluations + 1):
                architecture = space.sample(self.rng)
                score = -1 + self.rng.random()
                best = max(best, score)
                session.add(
                    Candidate(
                        run_id=self.run_id,
                        evaluation=evaluation,
                        architecture=space.encode(architecture),
                        subspace=self.partition.route(architecture),
                        score=score,
                        best_score=best,
                        flops=space.flops(architecture),
                        parameters=space.parameters(architecture),
                        nonlinearity_count=space.nonlinearity_count(architecture),
                        objectives={"loss": score, "flops": float(space.flops(architecture))},
                        seconds=evaluation / 4,
                        true_accuracy=90 + 5 * self.rng.random(),
                        true_rank=1 + evaluation,
                    )
                )
            bump(session, self.run_id)

    def finish(self):
        """End the run."""
        with self.db.unit_of_work() as session:
            session.get_one(Run, self.run_id).state = "succeeded"
            bump(session, self.run_id)


def add_truth(db, run_id, accuracies):
    """Attach a benchmark that holds `accuracies` by architecture to a run."""
    from backend.models import Benchmark

    with db.unit_of_work() as session:
        run = session.get_one(Run, run_id)
        table = Benchmark(
            name=f"truth-{run_id}",
            version=1,
            space_id=run.space_id,
            num_entries=len(accuracies),
            num_valid=len(accuracies),
            recipe={},
            sha256="0" * 64,
        )
        column = BenchmarkColumn(
            benchmark=table,
            position=0,
            name="accuracy",
            metric="accuracy",
            is_truth=True,
            num_known=len(accuracies),
            num_valid=len(accuracies),
            noise_ceiling=0.8,
            by_count=[],
        )
        session.add(column)
        session.flush()
        for architecture, accuracy in accuracies.items():
            session.add(
                BenchmarkEntry(
                    column_id=column.id,
                    architecture=architecture,
                    value=accuracy,
                    seeds=None,
                    valid=True,
                    count=0,
                )
            )
        run.benchmark_id, run.truth_id = table.id, column.id
