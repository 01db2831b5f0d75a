"""The distributions that the second tutorial has its readers write obey the laws: they are read from the notebook itself."""

import ast
import importlib.util
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from mixtures import GeneralMixtureModel
from mixtures.distributions import Normal, Poisson, Product
from mixtures.exceptions import DataError
from mixtures.testing import check_distribution

NOTEBOOK = Path(__file__).parents[1] / "tutorials" / "02_your_own_distribution.ipynb"
IMPORTS = (ast.Import, ast.ImportFrom)
DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


def definitions():
    """Source of the notebook's imports, and of its cells that hold nothing but functions, classes and the constants they name."""
    kept = []
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        body = ast.parse(cell.source).body if cell.cell_type == "code" else []
        defines = any(isinstance(node, DEFINITIONS) for node in body)
        if defines and all(isinstance(node, (*IMPORTS, *DEFINITIONS, ast.Assign)) for node in body):
            kept.append(cell.source)
        else:
            kept += [ast.unparse(node) for node in body if isinstance(node, IMPORTS)]
    return "\n\n\n".join(kept)


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    """The notebook's definitions as a module: numba, pickle and evaluated reprs want a file and a name to find them by."""
    path = tmp_path_factory.mktemp("tutorial") / "definitions_of_tutorial_2.py"
    path.write_text(definitions(), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[path.stem]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Maxwell", (300.0,)),
        ("Maxwell", (1e-3,)),
        ("PlainPlume", (-260.0, 1200.0)),
        ("PlainPlume", (1e5, 50.0)),
        ("Plume", (-260.0, 1200.0)),
        ("Plume", (1e5, 50.0)),
    ],
)
def test_they_obey_the_laws(tutorial, name, parameters):
    check_distribution(getattr(tutorial, name)(*parameters))


@pytest.mark.parametrize(("name", "law"), [("Deaf", "weights_mean_repetition"), ("Careless", "normalises")])
def test_mistakes_are_caught(tutorial, name, law):
    with pytest.raises(AssertionError, match=law):
        check_distribution(getattr(tutorial, name)(300.0))


def particles(tutorial, n=4000):
    plumes = [tutorial.PlainPlume(-260.0, 1200.0), tutorial.PlainPlume(180.0, 2000.0)]
    return np.concatenate([plume.sample(n // 2, random_state) for random_state, plume in enumerate(plumes)])


def test_both_plumes_have_one_density_and_one_fit(tutorial):
    rows = particles(tutorial)
    weights = np.random.default_rng(3).uniform(0.0, 3.0, len(rows))
    outside = np.array([[99.9, 0.0], [-2e4, 0.0], [0.0, 1e9]])
    plain, fast = tutorial.PlainPlume(-200.0, 900.0), tutorial.Plume(-200.0, 900.0)
    np.testing.assert_allclose(fast.log_prob(rows), plain.log_prob(rows), rtol=1e-12)
    assert (fast.log_prob(outside) == -np.inf).all()
    assert (plain.log_prob(outside) == -np.inf).all()
    one, other = plain.fit(rows, sample_weight=weights), tutorial.Plume().fit(rows, sample_weight=weights)
    assert other.position == pytest.approx(one.position, rel=1e-12)
    assert other.reach == pytest.approx(one.reach, rel=1e-12)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_both_plumes_take_the_same_steps(tutorial, n_jobs):
    rows = particles(tutorial, 20_000)
    plain, fast = (
        GeneralMixtureModel([family(-300.0, 1000.0), family(300.0, 1000.0)], tol=0, max_iter=20, n_jobs=n_jobs).fit(rows)
        for family in (tutorial.PlainPlume, tutorial.Plume)
    )
    np.testing.assert_allclose(fast.history_, plain.history_, rtol=0, atol=1e-10)
    np.testing.assert_allclose(fast.weights_, plain.weights_, rtol=0, atol=1e-10)
    for one, other in zip(plain.components_, fast.components_, strict=True):
        assert other.position == pytest.approx(one.position, rel=1e-10)
        assert other.reach == pytest.approx(one.reach, rel=1e-10)


def test_a_plume_is_a_factor_like_any_block(tutorial):
    check_distribution(Product({("downwind", "crosswind"): tutorial.Plume(-260.0, 1200.0), "count": Poisson(3.0)}))
    check_distribution(Product({(2, 0): tutorial.Plume(-260.0, 1200.0), 1: Normal(0.0, 1.0)}))


def test_each_column_has_a_support_of_its_own(tutorial):
    rows = particles(tutorial)
    assert rows[:, 1].min() < tutorial.NEAREST
    rows[17, 0] = 20.0
    for model in (tutorial.Plume(), Product({(0, 1): tutorial.Plume()}), GeneralMixtureModel(tutorial.Plume(), 2)):
        with pytest.raises(DataError, match="Plume on column 0: values must be finite and >= 100, row 17 has 20"):
            model.fit(rows)
    with pytest.raises(DataError, match="column 2"):
        Product({(2, 0): tutorial.Plume(), 1: Normal()}).fit(np.column_stack([rows[:, 1], rows[:, 1], rows[:, 0]]))
    assert not GeneralMixtureModel(tutorial.Plume(), 2).__sklearn_tags__().input_tags.positive_only


@pytest.mark.parametrize("width", [1, 3])
def test_another_number_of_columns_is_refused(tutorial, width):
    rows = np.full((5, width), 500.0)
    for ask in (tutorial.Plume(0.0, 100.0).log_prob, tutorial.Plume(0.0, 100.0).fit, tutorial.Plume().fit):
        with pytest.raises(DataError, match=f"Plume: expected 2 columns, found {width}"):
            ask(rows)


def test_a_plume_knows_when_its_particles_do_not_spread(tutorial):
    rows = np.array([[tutorial.NEAREST, 1.0], [tutorial.NEAREST, 3.0]])
    with pytest.warns(match="held at its floor"):
        fitted = tutorial.Plume().fit(rows)
    assert fitted.position == 2.0
    assert 0 < fitted.reach < 1e-9
