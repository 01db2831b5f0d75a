"""Fits side by side: in threads, in forked children, in processes that share a compilation cache or have none."""

import contextlib
import io
import multiprocessing
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import mixtures
from mixtures import GeneralMixtureModel, _numba
from mixtures.distributions import Normal

LOGGING = "import logging; logging.basicConfig(level='INFO')"
# What compiles least, in two seconds: a scan of a column, the kernels of a family, a function that calls them by address.
PREPARE = """
from mixtures.assembly import Assembly
from mixtures.distributions import Exponential
from mixtures.parts import take_apart
from mixtures.table import Table
table = Table.read([[0.5], [2.0]])
assembly = Assembly(take_apart([Exponential(0.25)], table), table)
print(assembly.parameters.tobytes().hex())
"""
# A whole pass over rows takes four times as long.
LOG_PROB = """
from mixtures.distributions import Exponential
print(Exponential(0.25).log_prob([0.0, 1.0, 1e3, -1.0]).tobytes().hex())
"""


def here(code):
    """What the code prints in this process."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, {})
    return out.getvalue().strip()


def start(cache, code=PREPARE, place=Path(mixtures.__file__).parent.parent, **variables):
    """A fresh process with this compilation cache and the package at this place, warnings as errors."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **variables}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", LOGGING + code],
        env=environment,
        cwd=place,  # which Python puts first on its path
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """What the process printed and what it logged, once it has ended well."""
    try:
        out, err = process.communicate(timeout=400)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return out.strip(), err


def bytes_of(model):
    return b"".join(np.array([c.mean, c.std]).tobytes() for c in model.components_) + model.weights_.tobytes()


def fit_normals(x, n_jobs=2):
    return GeneralMixtureModel(Normal(), n_components=3, random_state=0, tol=0, max_iter=20, n_jobs=n_jobs).fit(x)


def test_eight_threads_fit_at_once():
    tables = [np.random.default_rng(seed).normal(size=40000) for seed in range(8)]
    alone = [bytes_of(fit_normals(x)) for x in tables]
    with ThreadPoolExecutor(8) as pool:
        together = [bytes_of(model) for model in pool.map(fit_normals, tables)]
    assert together == alone


def test_threads_ask_one_model_at_once():
    x = np.random.default_rng(0).normal(size=40000)
    model = fit_normals(x)
    alone = model.predict_proba(x).tobytes()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: model.predict_proba(x).tobytes(), range(8))) == {alone}


def _fit_and_send(x, connection):
    connection.send(bytes_of(fit_normals(x)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
# Python warns of a fork beside live threads; what this test shows is that ours leave nothing behind that a child would miss.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_fits_after_its_parent():
    x = np.random.default_rng(0).normal(size=40000)
    expected = bytes_of(fit_normals(x))
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_fit_and_send, args=(x, sender))
    child.start()
    try:
        assert receiver.poll(120), "the forked child hangs"
        assert receiver.recv() == expected
        child.join(120)
        assert child.exitcode == 0
    finally:
        child.kill()


@pytest.fixture(scope="module")
def eight_at_once(tmp_path_factory):
    """What eight processes printed that started together on one empty cache, and that cache."""
    cache = tmp_path_factory.mktemp("cache")
    processes = [start(cache) for _ in range(8)]
    return [finish(process)[0] for process in processes], cache


def test_eight_processes_start_on_an_empty_cache(eight_at_once):
    results, cache = eight_at_once
    assert set(results) == {here(PREPARE)}
    assert list(cache.rglob("*.nbi")), "nothing was cached"


def test_a_later_process_uses_the_cache(eight_at_once):
    _, cache = eight_at_once
    made = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}
    out, log = finish(start(cache))
    assert out == here(PREPARE)
    assert "compiling" not in log
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")} == made


def test_a_corrupted_cache_is_mended(eight_at_once, tmp_path):
    _, cache = eight_at_once
    shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
    for number, path in enumerate(sorted(tmp_path.rglob("*.nb?"))):
        content = path.read_bytes()
        path.write_bytes([b"", b"no pickle at all", content[: len(content) // 2]][number % 3])
    out, log = finish(start(tmp_path))
    assert out == here(PREPARE)
    assert log.count("compiling") == 1
    assert "compiling" not in finish(start(tmp_path))[1]


def test_no_cache_can_be_written_anywhere(tmp_path):
    # Below a regular file nothing can be made, whoever asks; permissions would not stop root. Such files stand at every place
    # that numba tries: the named one, beside each source file, and in the user's home.
    package = tmp_path / "mixtures"
    shutil.copytree(_numba._PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").write_text("")
    wall = package / "__pycache__"
    process = start(wall / "cache", LOG_PROB, tmp_path, HOME=str(wall / "home"), XDG_CACHE_HOME=str(wall / "home"))
    out, log = finish(process)
    assert out == here(LOG_PROB)
    assert "no writable place" in log
    assert not list(tmp_path.rglob("*.nb?"))


def test_an_edit_of_any_file_makes_new_cache_entries(tmp_path, monkeypatch):
    copy = tmp_path / "mixtures"
    shutil.copytree(_numba._PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(_numba, "_PACKAGE", copy)
    stamp = _numba._package_stamp.__wrapped__
    before = stamp()
    assert stamp() == before
    helper = copy / "engine" / "special.py"
    helper.write_text(helper.read_text() + "\n# edited\n")
    assert stamp() != before


def test_the_cache_is_keyed_by_the_packages_source(monkeypatch):
    @mixtures.jit
    def double(x):
        return 2 * x

    signature, library = (None,), type("Library", (), {"codegen": None, "magic_tuple": staticmethod(lambda: ("cpu",))})
    key = double._cache._index_key(signature, library)
    monkeypatch.setattr(_numba, "_package_stamp", lambda: "another source")
    assert double._cache._index_key(signature, library) != key


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("SLOPE = 2.0", "SLOPE = 3.0", 3.0),
        ("SLOPE = (2.0, 1.0)[0]", "import numpy as np\nSLOPE = np.float64(4.0)", 4.0),
        ("SLOPE = 2.0\nFACTOR = 1.0", "SLOPE = 2.0\nFACTOR = 5.0", 10.0),
    ],
)
def test_an_edit_of_what_a_users_kernel_names_is_no_stale_machine_code(before, after, expected, tmp_path):
    """The kernel's own file stays as it is, and with it numba's stamp (numba issue 9483)."""
    helper, kernel = tmp_path / "helper_of_a_user.py", tmp_path / "kernel_of_a_user.py"
    body = "@jit\ndef inner(x):\n    return x * FACTOR\n\n@jit\ndef helped(x):\n    return inner(x) * SLOPE\n"
    kernel.write_text(
        "from helper_of_a_user import helped\nfrom mixtures import jit\n\n@jit\ndef kernel(x):\n    return helped(x)\n"
    )
    code = "import sys; sys.path.insert(0, '.'); from kernel_of_a_user import kernel; print(kernel(1.0))"
    for text, value in ((before, 2.0), (after, expected)):
        helper.write_text(f"from mixtures import jit\nFACTOR = 1.0\n{text}\n\n{body}")
        environment = {
            **os.environ,
            "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert float(done.stdout) == value
