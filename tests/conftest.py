"""What the tests of families find is gathered here and printed as a table after the run."""

from collections import defaultdict

import pytest

_TABLE = pytest.StashKey()


def pytest_configure(config):
    config.stash[_TABLE] = defaultdict(dict)


def pytest_sessionfinish(session):
    output = getattr(session.config, "workeroutput", None)  # of a process that runs a share of the tests
    if output is not None:
        output["families"] = {family: dict(found) for family, found in session.config.stash[_TABLE].items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    for family, found in getattr(node, "workeroutput", {}).get("families", {}).items():
        node.config.stash[_TABLE][family].update(found)


@pytest.fixture(scope="session")
def family_table(request):
    """family -> {"log_prob": largest relative error, "fit": largest gain of another optimiser, "time": seconds}."""
    return request.config.stash[_TABLE]


def pytest_terminal_summary(terminalreporter, config):
    table = config.stash[_TABLE]
    if not table:
        return
    terminalreporter.section("families")
    terminalreporter.write_line(
        f"{'family':24}{'log_prob: largest error':>26}{'fit: missed likelihood':>26}{'ns a row and component':>26}"
    )
    for family, found in sorted(table.items()):
        cells = [found.get("log_prob"), found.get("fit")]
        words = ["-" if value is None else f"{value:.1e}" for value in cells]
        took = found.get("time")
        terminalreporter.write_line(f"{family:24}{words[0]:>26}{words[1]:>26}{'-' if took is None else f'{1e9 * took:.1f}':>26}")
