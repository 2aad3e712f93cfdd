"""What the guides show works as they show it."""

import re
import sys
from collections import Counter
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from random import Random

import pytest
import yaml
from typer.testing import CliRunner

from backend.cli import app
from nas.export.formats import FORMATS
from nas.landmarks.choosing import choose_landmarks
from nas.partition.nonlinearity import NonlinearitySplitter
from nas.plugin import concrete_subclasses
from nas.ranking.scorers.base import ArchitectureScorer, Scorer, SupernetScorer
from nas.ranking.scorers.gradient import GradientScorer
from nas.ranking.scorers.untrained import UntrainedScorer
from nas.search.base import Searcher
from nas.search.pareto_searcher import ParetoSearcher
from nas.spaces import catalogue
from nas.spec import RunSpec
from nas.training.recipes.base import RetrainRecipe

ROOT = Path(__file__).parents[1]


def test_the_sampler_of_the_strategy_guide_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    guide = (ROOT / "docs" / "strategies.md").read_text()
    code = re.search(r"```python\n(.*?)```", guide, re.DOTALL)
    assert code is not None
    (tmp_path / "root.py").write_text(code[1])
    spec = spec_from_file_location("guide_root", tmp_path / "root.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "guide_root", module)
    spec.loader.exec_module(module)

    sampler = module.RootSampler()
    partition = NonlinearitySplitter(num_subspaces=2).split(catalogue()["digits-mini"])
    sizes = [subspace.size.valid for subspace in partition.subspaces]
    roots = [size**0.5 for size in sizes]
    assert sampler.target_shares(partition) == pytest.approx([root / sum(roots) for root in roots])
    rng = Random(0)
    routes = [route for step in range(2000) for route in sampler.draw(partition, step, rng)]
    assert all(partition.route(route.architecture) == route.subspace for route in routes)
    # Two standard deviations of a share of 2,000 draws are at most 0.023.
    assert Counter(route.subspace for route in routes)[0] / 2000 == pytest.approx(
        roots[0] / sum(roots), abs=0.03
    )


def test_the_guide_to_search_names_every_searcher_with_its_objectives():
    guide = (ROOT / "docs" / "search.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (any|one|two or more) \|", guide, re.MULTILINE))
    expected = {}
    for searcher in concrete_subclasses(Searcher, "nas.search"):
        several = "two or more" if issubclass(searcher, ParetoSearcher) else "any"
        kind = searcher.model_fields["kind"].default
        expected[kind] = "one" if searcher.max_objectives == 1 else several
    assert rows == expected


def test_the_guide_to_exports_names_every_format():
    guide = (ROOT / "docs" / "export.md").read_text()
    rows = re.findall(r"^\| `.+` \| `([a-z-]+)` \|", guide, re.MULTILINE)
    assert sorted(rows) == sorted(FORMATS)


def test_the_guide_to_retraining_names_every_recipe_with_its_numbers():
    guide = (ROOT / "docs" / "retraining.md").read_text()
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \| .* \| (\d+) \| (\d+) \| ([\d.]+) \| (.+) \|$", guide, re.MULTILINE
    )
    expected = [
        (
            recipe.kind,
            str(recipe.epochs),
            str(recipe.batch_size),
            str(recipe.learning_rate),
            "never" if recipe.patience is None else f"after {recipe.patience} epochs",
        )
        for recipe in (
            preset.model_validate({})
            for preset in concrete_subclasses(RetrainRecipe, "nas.training.recipes")
        )
    ]
    assert sorted(rows) == sorted(expected)


def test_the_spec_of_the_retraining_guide_is_one():
    guide = (ROOT / "docs" / "retraining.md").read_text()
    shown = re.search(r"```yaml\n(.*?)```", guide, re.DOTALL)
    assert shown is not None
    document = {"name": "guide", "space": "digits-mini", "dataset": "digits"}
    training = {"training": {"steps": 1}}
    spec = RunSpec.model_validate({**document, **training, **yaml.safe_load(shown[1])})
    assert spec.retrain is not None
    assert (spec.retrain.top, spec.retrain.seeds, spec.retrain.width) == (2, (0, 1, 2), 16)


def shown_commands() -> set[tuple[str, frozenset[str]]]:
    """The `efsnas` commands of every code block: words before the first value, and options."""
    found = set()
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for block in (
        block
        for document in documents
        for block in re.findall(r"```sh\n(.*?)```", document.read_text(), re.DOTALL)
    ):
        for line in re.findall(r"(?:^|& )(efsnas .*?)(?= &|$|\s+#)", block, re.MULTILINE):
            words = line.split()[1:]
            group = 2 if words[0] in ("datasets", "benchmarks") else 1
            options = frozenset(word for word in words if word.startswith("--"))
            found.add((" ".join(words[:group]), options))
    return found


def test_every_command_of_the_guides_has_the_options_shown():
    shown = shown_commands()
    assert {"datasets import", "benchmarks import", "submit", "worker"} <= {
        command for command, _ in shown
    }
    for command, options in shown:
        answer = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
        assert answer.exit_code == 0, command
        for option in options:
            assert option in answer.output, f"efsnas {command} {option}"


def test_every_strategy_package_of_the_guide_exists():
    guide = (ROOT / "docs" / "strategies.md").read_text()
    row = r"^\| (\w+) \| `(\S+)` \| (?:a base beside )?`(\w+)` \|"
    rows = re.findall(row, guide, re.MULTILINE)
    assert len(rows) == 12
    for _, package, base in rows:
        assert re.search(
            rf"^class {base}\(", (ROOT / package / "base.py").read_text(), re.MULTILINE
        )


def test_the_spec_of_the_landmark_guide_is_one():
    guide = (ROOT / "docs" / "landmarks.md").read_text()
    shown = re.search(r"```yaml\n(.*?)```", guide, re.DOTALL)
    assert shown is not None
    document = yaml.safe_load(shown[1])
    spec = RunSpec.model_validate(
        {"name": "guide", "space": "digits-mini", "dataset": "digits", **document}
    )
    landmarks = choose_landmarks(spec, spec.partition(catalogue()["digits-mini"]), None)
    assert len(landmarks) == 24
    (regulariser,) = spec.training.regularisers
    # What the table calls the defaults.
    table = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", guide, re.MULTILINE))
    for name in (
        "weight",
        "starts_at",
        "schedule",
        "pairs",
        "pairs_per_step",
        "penalty",
        "images",
    ):
        default = getattr(regulariser, name)
        written = default if isinstance(default, str) else f"{default:g}"
        assert table[name].strip("`").startswith(written), name


def test_the_guide_of_scorers_lists_each_with_what_it_knows():
    overview = (ROOT / "docs" / "scorers.md").read_text().partition("\n## ")[0]
    listed = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]+?) \|", overview, re.MULTILINE))
    knows: dict[type[Scorer], str] = {
        SupernetScorer: "the supernet's predictions",
        ArchitectureScorer: "the architecture",
        UntrainedScorer: "an untrained network",
        GradientScorer: "the supernet's gradients",
    }
    expected = {
        scorer.model_fields["kind"].default: what
        for base, what in knows.items()
        for scorer in concrete_subclasses(base, "nas.ranking.scorers")
    }
    assert expected.items() <= listed.items()
