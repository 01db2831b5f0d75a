"""The same data give the same bits, whatever the number of threads, the memory they lie in and the frame that holds them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Bernoulli, Exponential, Normal, Poisson, Product
from mixtures.engine.plan import CHUNK_ROWS

SEVERAL_CHUNKS = 3 * CHUNK_ROWS + 1234
FEW_ROWS = 700


def table(n, missing=0.0):
    """Four columns of numbers that float32 holds exactly, so that a cast changes no value."""
    random = np.random.default_rng(n)
    group = random.integers(3, size=n)
    X = np.column_stack(
        [
            random.normal(np.array([-3.0, 0.0, 4.0])[group], 1.0),
            random.exponential(np.array([1.0, 2.0, 0.5])[group]),
            random.poisson(np.array([1.0, 5.0, 9.0])[group]),
            random.random(n) < np.array([0.1, 0.5, 0.8])[group],
        ]
    )
    X[random.random(X.shape) < missing] = np.nan
    return X.astype(np.float32).astype(np.float64)


def model(n_jobs=1, **settings):
    component = Product(Normal(), Exponential(), Poisson(), Bernoulli())
    return GeneralMixtureModel(component, n_components=3, tol=0, max_iter=12, random_state=4, n_jobs=n_jobs, **settings)


def bits(fitted, X):
    """Everything that a fit and a prediction give, as one string of bytes."""
    factors = [factor for component in fitted.components_ for factor in component.factors.values()]
    parameters = [getattr(factor, name) for factor in factors for name in factor.parameters]
    outputs = [fitted.score_samples(X), fitted.predict_proba(X), fitted.predict_log_proba(X), fitted.predict(X)]
    parts = [np.array(parameters), fitted.weights_, fitted.history_, fitted.labels_, *outputs]
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("n", [FEW_ROWS, SEVERAL_CHUNKS])
def test_any_number_of_threads(n, missing, weighted):
    X = table(n, missing)
    weights = np.random.default_rng(1).exponential(1.0, n) if weighted else None
    one, two, four, all_but_one = (model(n_jobs).fit(X, sample_weight=weights) for n_jobs in (1, 2, 4, -2))
    assert bits(one, X) == bits(two, X) == bits(four, X) == bits(all_but_one, X)


def test_any_number_of_threads_over_many_starts():
    X = table(FEW_ROWS)
    one, two, four = (model(n_jobs, n_init=5).fit(X) for n_jobs in (1, 2, 4))
    assert bits(one, X) == bits(two, X) == bits(four, X)


def every_second_row(X):
    wide = np.full((2 * len(X), X.shape[1]), 7.0)
    wide[::2] = X
    return wide[::2]


def every_third_column(X):
    wide = np.full((len(X), 3 * X.shape[1]), 7.0)
    wide[:, ::3] = X
    return wide[:, ::3]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def packed_records(X):
    """Fields that lie at odd addresses between others."""
    records = np.zeros(len(X), dtype=[("pad", "S3"), *((f"c{j}", "<f8") for j in range(X.shape[1]))])
    for j in range(X.shape[1]):
        records[f"c{j}"] = X[:, j]
    return records[[f"c{j}" for j in range(X.shape[1])]]


def unaligned(X):
    buffer = bytearray(X.nbytes + 1)
    view = np.frombuffer(buffer, dtype=np.float64, count=X.size, offset=1).reshape(X.shape)
    view[:] = X
    return view


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "every second row": every_second_row,
    "every third column": every_third_column,
    "rows from last to first": lambda X: X[::-1].copy()[::-1],
    "columns from last to first": lambda X: X[:, ::-1].copy()[:, ::-1],
    "read-only": read_only,
    "big-endian": lambda X: X.astype(">f8"),
    "unaligned": unaligned,
    "float32": lambda X: X.astype(np.float32),
    "objects": lambda X: X.astype(object),
    "lists": lambda X: X.tolist(),
    "records": packed_records,
    "pandas": lambda X: pd.DataFrame(X, columns=list("abcd")),
    "pandas of many blocks": lambda X: pd.DataFrame({"a": X[:, 0], "b": X[:, 1].astype(np.float32), "c": X[:, 2], "d": X[:, 3]}),
    "polars": lambda X: pl.DataFrame(X, schema=list("abcd"), orient="row"),
    "polars of chunks": lambda X: pl.concat([pl.DataFrame(part, schema=list("abcd"), orient="row") for part in (X[:100], X[100:])]),
}


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout(layout, missing):
    X = table(FEW_ROWS, missing)
    other = LAYOUTS[layout](X)
    assert bits(model().fit(other), other) == bits(model().fit(X), X)


@pytest.mark.parametrize("layout", ["Fortran", "every second row", "float32", "rows from last to first", "polars"])
def test_any_memory_layout_over_several_chunks(layout):
    X = table(SEVERAL_CHUNKS)
    other = LAYOUTS[layout](X)
    assert bits(model(n_jobs=2).fit(other), other) == bits(model(n_jobs=1).fit(X), X)


def test_a_memory_map(tmp_path):
    X = table(SEVERAL_CHUNKS)
    np.save(tmp_path / "table.npy", X)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    assert bits(model(n_jobs=2).fit(mapped), mapped) == bits(model().fit(X), X)


def test_the_callers_memory_is_left_as_it_was():
    X = table(FEW_ROWS, missing=0.1)
    weights = np.random.default_rng(2).exponential(1.0, FEW_ROWS)
    kept = X.copy(), weights.copy()
    fitted = model().fit(X, sample_weight=weights)
    fitted.predict_proba(X)
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(weights, kept[1])


def test_a_second_fit_of_one_model_repeats_the_first():
    X = table(FEW_ROWS)
    fitted = model().fit(X)
    first = bits(fitted, X)
    assert bits(fitted.fit(X), X) == first
