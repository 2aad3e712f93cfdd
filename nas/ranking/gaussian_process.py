"""Fitting a Gaussian process with scikit-learn; imported when one is fitted, for that takes long."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

from nas.ranking.places import Values
from nas.ranking.regression import GaussianProcess, Kernel

# In units of the variance of what is fitted, and of the distance between two average
# architectures: wide enough for all that few landmarks can tell apart.
AMPLITUDE_BOUNDS = (1e-3, 1e2)
LENGTH_BOUNDS = (1e-1, 1e2)
NOISE_BOUNDS = (1e-4, 1e1)
FIRST_NOISE = 0.1


def fit_process(
    features: Values, values: Values, spread: float, *, kernel: Kernel, noise: float | None
) -> GaussianProcess:
    """Fit a process of mean zero; its parameters are those under which `values` are likeliest.

    They are found by gradient from one fixed start, so the same input gives the same process.

    Args:
        features: standardised, shape (architectures, features), at least one feature.
        values: shape (architectures,).
        spread: their standard deviation, above 0.
        kernel: its form; distances are Euclidean over the root of twice the number of features.
        noise: standard deviation of the values by chance; None: the likeliest.
    """
    typical_distance = np.sqrt(2 * features.shape[1])
    shape = RBF(1.0, LENGTH_BOUNDS) if kernel == "rbf" else Matern(1.0, LENGTH_BOUNDS, nu=2.5)
    chance = (
        WhiteKernel(FIRST_NOISE, NOISE_BOUNDS)
        if noise is None
        else WhiteKernel((noise / spread) ** 2, "fixed")
    )
    regressor = GaussianProcessRegressor(ConstantKernel(1.0, AMPLITUDE_BOUNDS) * shape + chance)
    # Several threads only wait for each other over matrices this small, and would make the last
    # digits depend on their number.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A parameter at its bound is an answer: few landmarks often speak for pure noise.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regressor.fit(features / typical_distance, values / spread)
    found = regressor.kernel_
    return GaussianProcess(
        kernel=kernel,
        amplitude=float(found.k1.k1.constant_value),
        length_scale=float(found.k1.k2.length_scale * typical_distance),
        noise=float(found.k2.noise_level),
        scale=spread,
        inputs=tuple(tuple(float(value) for value in row) for row in features),
        weights=tuple(float(value) for value in regressor.alpha_.ravel()),
    )
