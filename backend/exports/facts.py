"""What the model card of a retrained network tells, gathered from the rows of its run."""

from collections.abc import Sequence

from pydantic import JsonValue
from sqlalchemy.orm import Session

from backend.models import RetrainingRow, Run
from backend.references import pinned
from backend.runs import results, retraining
from backend.runs.conditions import further_conditions
from backend.runs.measures import OVERALL
from backend.runs.schemas import CorrelationRead, RetrainedRead, RetrainingRead
from backend.system.version import commit, version
from nas.export.facts import CardFacts, DataFacts, SupernetFacts, TrainingFacts


def card_facts(session: Session, run: Run, row: RetrainingRow) -> CardFacts:
    """Return what is known of a retrained network beside itself."""
    group = next(one for one in retraining.retrained(session, run.id) if row.number in one.numbers)
    trainings = [
        one for one in retraining.retrainings(session, run.id) if one.number in group.numbers
    ]
    return CardFacts(
        space=pinned(run.space),
        run=f"{run.name} (run {run.id})",
        data=DataFacts(
            name=pinned(run.dataset),
            sha256=run.dataset.sha256,
            sizes={
                "train": run.dataset.num_train,
                "validation": run.dataset.num_validation,
                "test": run.dataset.num_test,
            },
        ),
        exported_seed=row.seed,
        trainings=tuple(map(_training, trainings)),
        recipe=_recipe(row, trainings),
        search=_search(run, group),
        supernet=_supernet(session, run, group),
        software={"exported with efsnas": version(), "exported at commit": commit() or "unknown"},
    )


def _training(training: RetrainingRead) -> TrainingFacts:
    found = {"validation": training.validation_accuracy, "test": training.test_accuracy}
    accuracies = {split: value for split, value in found.items() if value is not None}
    return TrainingFacts(seed=training.seed, accuracies=accuracies)


def _recipe(row: RetrainingRow, trainings: Sequence[RetrainingRead]) -> dict[str, JsonValue]:
    diverged = sum(one.failure is not None for one in trainings)
    parameters = row.recipe.model_dump(mode="json", exclude={"kind"})
    told: dict[str, JsonValue] = {"kind": row.recipe.kind}
    told |= {name: "none" if value is None else value for name, value in parameters.items()}
    told |= {"epochs trained": row.epochs, "weights of epoch": row.kept_epoch}
    if diverged:
        told["trainings that diverged, and count in no mean"] = diverged
    return told


def _search(run: Run, group: RetrainedRead) -> dict[str, JsonValue]:
    if group.origin != retraining.WINNER or run.spec.search is None:
        return {"chosen by": "somebody, not a search"}
    told: dict[str, JsonValue] = run.spec.search.model_dump(mode="json", exclude_none=True)
    return told | {"seed of the run": run.spec.seed}


def _supernet(session: Session, run: Run, group: RetrainedRead) -> SupernetFacts | None:
    if group.score is None:
        return None
    overall = [
        one
        for one in results.correlations(session, run.id, "final", group.scorer)
        if one.scope == OVERALL
    ]
    conditions = _conditions(overall[-1]) if overall else {}
    return SupernetFacts(group.scorer, group.score, conditions)


def _conditions(found: CorrelationRead) -> dict[str, JsonValue]:
    tau = found.tau
    told: dict[str, JsonValue] = {
        "Kendall tau-b": tau.undefined_reason if tau.value is None else f"{tau.value:.3f}",
    }
    if tau.low is not None and tau.high is not None:
        told["95 % interval"] = f"{tau.low:.3f} to {tau.high:.3f}"
    told |= {
        "architectures": found.num_architectures,
        "pairs with equal scores": found.score_ties,
        "pairs with equal truths": found.truth_ties,
        "noise ceiling": found.conditions.get("noise_ceiling"),
    }
    return told | dict(further_conditions(found.conditions))
