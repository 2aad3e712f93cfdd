"""Stand-alone networks as they are before any training, for the scorers that look at them.

Weights of convolutions and linear layers are normal with variance 2 over the number of inputs (He
et al., ICCV 2015, arXiv 1502.01852), as in the code of AZ-NAS (arXiv 2403.19232); biases are zero;
BatchNorm scales by one and shifts by zero.

A network, what it computes and a score are made when they are first asked for, and shared: scorers
of equal parameters read one network and one forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh, relu
from torch.overrides import TorchFunctionMode

from nas.errors import ScoreUndefined
from nas.seeds import derive_seed
from nas.spaces.base import Architecture, LiveForm
from nas.spaces.cell import CellSpace
from nas.spaces.shape import NetworkShape
from nas.supernets.build import build_stand_alone
from nas.supernets.network import Network, on_device

if TYPE_CHECKING:
    from nas.experiment import Experiment
    from nas.ranking.probe_images import Inputs, ProbeImages
    from nas.ranking.scorers.untrained import UntrainedScorer

RECTIFIERS = (relu, torch.relu, torch.nn.functional.relu6, hardtanh)
"""The functions of which `BatchPass.rectified` keeps the outputs: ReLU and ReLU6."""


class UntrainedScores:
    """The scores of one run's architectures, each computed once per live form.

    They do not depend on the order in which they are asked for.
    """

    def __init__(self, experiment: Experiment) -> None:
        """Begin without scores; the images are made when first needed."""
        self._experiment = experiment
        self._scores: dict[tuple[UntrainedScorer, LiveForm], float] = {}
        # Networks are kept of the architecture that was asked for last, for its other scorers.
        self._form: LiveForm | None = None
        self._networks: dict[tuple[int, int, int], UntrainedNetwork] = {}

    def of(self, scorer: UntrainedScorer, architecture: Architecture) -> float:
        """Return a score, the mean over the scorer's initialisations.

        Args:
            scorer: a scorer.
            architecture: a valid one of the run's space.

        Raises:
            ScoreUndefined: if the score is not finite.
        """
        key = scorer, self._experiment.space.live_form(architecture)
        if key not in self._scores:
            self._scores[key] = self._score(scorer, architecture)
        return self._scores[key]

    def network(
        self, scorer: UntrainedScorer, architecture: Architecture, index: int
    ) -> UntrainedNetwork:
        """Return a network of the scorer's sizes.

        Args:
            scorer: whose sizes.
            architecture: a valid one of the run's space.
            index: of the initialisation.
        """
        form = self._experiment.space.live_form(architecture)
        if form != self._form:
            self._form = form
            self._networks.clear()
        key = scorer.width, scorer.cells_per_stage, index
        if key not in self._networks:
            labels = (name or "dead" for name in form)
            seed = derive_seed(self._experiment.spec.seed, "untrained", index, *labels)
            self._networks[key] = UntrainedNetwork(
                self._build(scorer, architecture, seed),
                architecture,
                self._experiment.probe_images,
            )
        return self._networks[key]

    def _score(self, scorer: UntrainedScorer, architecture: Architecture) -> float:
        number = scorer.num_initialisations
        values = [
            scorer.of_untrained(self.network(scorer, architecture, index))
            for index in range(number)
        ]
        score = sum(values) / number
        if not math.isfinite(score):
            raise ScoreUndefined(
                f"{scorer.kind} of {self._experiment.space.encode(architecture)} is {score}; leave "
                "the scorer out, or lower its width or cells_per_stage"
            )
        return score

    def _build(self, scorer: UntrainedScorer, architecture: Architecture, seed: int) -> Network:
        space, dataset = self._experiment.space, self._experiment.dataset
        shape = NetworkShape(
            width=scorer.width,
            cells_per_stage=scorer.cells_per_stage if isinstance(space, CellSpace) else None,
            image_channels=dataset.image_shape[0],
            num_classes=len(dataset.classes),
        )
        # Built on the CPU, so that weights are the same on every device.
        with torch.random.fork_rng(devices=[]):
            network = build_stand_alone(space, architecture, shape)
        initialise(network, torch.Generator().manual_seed(seed))
        return on_device(network, self._experiment.device)


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights anew, as this module tells."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            num_inputs = module.weight[0].numel()
            module.weight.normal_(std=math.sqrt(2 / num_inputs), generator=generator)
            if module.bias is not None:
                module.bias.zero_()


class UntrainedNetwork:
    """One initialisation of the stand-alone network of one architecture.

    Attributes:
        network: in training mode, without gradients of its weights; no pass changes it.
        architecture: whose it is.
        images: what it may be shown.
    """

    def __init__(self, network: Network, architecture: Architecture, images: ProbeImages) -> None:
        """Take a network that nobody else uses."""
        self.network = network.train().requires_grad_(False)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                # Another pass would change them in place, and spoil the graph of the one before.
                module.track_running_stats = False
        self.architecture = architecture
        self.images = images
        self._passes: dict[tuple[Inputs, int], BatchPass] = {}

    def read(self, inputs: Inputs, batch_size: int) -> BatchPass:
        """Return the pass of one batch, made once."""
        key = inputs, batch_size
        if key not in self._passes:
            self._passes[key] = BatchPass(
                self.network,
                self.architecture,
                self.images,
                images_NCHW=self.images.inputs(inputs, batch_size),
            )
        return self._passes[key]


class BatchPass:
    """What an untrained network makes of one batch, computed when it is first asked for.

    Attributes:
        network: as `UntrainedNetwork` has it.
        architecture: whose it is.
        probe: where the batch is from.
        images_NCHW: the batch.
    """

    def __init__(
        self,
        network: Network,
        architecture: Architecture,
        probe: ProbeImages,
        *,
        images_NCHW: Tensor,
    ) -> None:
        """Prepare the pass."""
        self.network = network
        self.architecture = architecture
        self.probe = probe
        self.images_NCHW = images_NCHW

    @cached_property
    def features(self) -> tuple[Tensor, ...]:
        """Outputs of the stem and of what follows it, each (images, channels, height, width).

        Every one but the first has a graph back to the one before it. One that a pure identity
        passes on is there twice.
        """
        kept: list[Tensor] = []
        modules = self.network.feature_modules(self.architecture)
        with torch.enable_grad(), _outputs(modules, kept):
            self.network(self.images_NCHW, self.architecture)
        return tuple(kept)

    @cached_property
    def rectified(self) -> tuple[Tensor, ...]:
        """The outputs of every ReLU and ReLU6, in the order in which they are computed.

        They take a pass of their own: to watch every function makes one slower.
        """
        recorder = _Rectified()
        with torch.no_grad(), recorder:
            self.network(self.images_NCHW, self.architecture)
        return tuple(recorder.outputs)

    @cached_property
    def entropies(self) -> tuple[float, ...]:
        """Per features, the entropy (nats) of how their variance spreads over directions.

        It lies between 0 (one direction, or no variance) and the logarithm of the number of
        channels (uncorrelated channels of equal variance). Source: AZ-NAS (arXiv 2403.19232).
        """
        return tuple(spectral_entropy(features.detach()) for features in self.features)


def spectral_entropy(features_NCHW: Tensor) -> float:
    """Return the entropy (nats) of the normalised eigenvalues of the channels' covariance.

    Positions and images are the observations. Features without variance have entropy 0.
    """
    rows_PC = features_NCHW.permute(0, 2, 3, 1).flatten(0, 2)
    centred_PC = rows_PC - rows_PC.mean(dim=0)
    covariance_CC = (centred_PC.T @ centred_PC).double().cpu()
    spectrum_C = torch.linalg.eigvalsh(covariance_CC).clamp_min(0)
    total = spectrum_C.sum()
    if not total > 0:
        return 0.0
    shares_C = spectrum_C / total
    return -float(torch.xlogy(shares_C, shares_C).sum())


class _Rectified(TorchFunctionMode):
    """Keeps the outputs of every ReLU, whether a module or a function computes it."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],  # Any: whatever torch calls
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in RECTIFIERS:
            self.outputs.append(output)
        return output


@contextmanager
def _outputs(modules: Iterable[nn.Module], kept: list[Tensor]) -> Iterator[None]:
    """Append what modules give to `kept`; the graph begins at what the first gives."""

    def keep(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not kept:
            output = output.detach().requires_grad_()
        kept.append(output)
        return output

    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
