"""How far a run is, from how far its units are."""

from collections.abc import Mapping

from nas.spec import RunSpec


def kind_costs(spec: RunSpec, samples_per_step: int, num_train: int = 0) -> dict[str, float]:
    """Return the expected cost of all units of each kind, in samples of training.

    A score costs the forward passes of its validation images; a sample costs about three of those
    (forward and backward) for each image of its batch.

    Args:
        spec: what the run executes.
        samples_per_step: architectures that a global step trains.
        num_train: training images; of 0 the training of landmarks, and retraining, cost nothing.
            Each image costs what it costs in a supernet, although these networks are of full size.
    """
    training, ranking, landmarks = spec.training, spec.ranking, spec.landmarks
    score = ranking.num_images / (3 * training.batch_size)
    num_ranked = ranking.num_architectures
    if ranking.combined_scorers:
        num_ranked += ranking.reference_architectures
    retrain = spec.retrain
    shown = 0
    if retrain is not None and retrain.recipe is not None:
        shown = retrain.top * len(retrain.seeds) * retrain.recipe.epochs * num_train
    costs = {
        "partition": 1.0,
        "landmarks": (
            0.0 if landmarks is None else landmarks.epochs * num_train / training.batch_size
        ),
        "warm-up": float(samples_per_step * training.warm_up_steps),
        "train": float(samples_per_step * (training.steps - training.warm_up_steps)),
        "rank": score * num_ranked,
        "combine": 1.0 if ranking.combined_scorers else 0.0,
        "search": score * spec.search.budget if spec.search is not None else 0.0,
        "retrain": shown / training.batch_size,
    }
    return {kind: cost for kind, cost in costs.items() if cost}


def run_progress(
    spec: RunSpec,
    state: str,
    units: Mapping[str, tuple[int, int]],
    samples_per_step: int = 1,
    num_train: int = 0,
) -> float:
    """Return the finished share of a run, 0 to 1, weighted by the expected cost.

    Args:
        spec: what the run executes.
        state: of the run; a succeeded run is finished whatever its counters say.
        units: unit kind to (progress, total), summed over its units; kinds that are not planned
            yet are absent.
        samples_per_step: architectures that a global step trains.
        num_train: training images.
    """
    if state == "succeeded":
        return 1.0
    costs = kind_costs(spec, samples_per_step, num_train)
    if "retrain" in units:
        # Those that were asked for later are in no spec.
        costs["retrain"] = max(costs.get("retrain", 0.0), float(units["retrain"][1]))
    done = 0.0
    for kind, cost in costs.items():
        progress, total = units.get(kind, (0, 0))
        done += cost * min(1.0, progress / total) if total else 0.0
    return done / sum(costs.values())
