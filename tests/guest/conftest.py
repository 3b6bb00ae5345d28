"""Fixtures: a kit for a test, a kit for a module, and times worth knowing at the end of the run."""

import pytest

from guestkit import Kit

_times = []


@pytest.fixture
def kit():
    k = Kit()
    yield k
    k.close()


@pytest.fixture(scope="module")
def module_kit():
    k = Kit()
    yield k
    k.close()


@pytest.fixture(scope="session")
def report():
    """report(WHAT, VALUE): a measurement for the end of the run."""
    return lambda what, value: _times.append((what, value))


def pytest_terminal_summary(terminalreporter):
    if _times:
        terminalreporter.section("measured")
    for what, value in _times:
        terminalreporter.write_line("%-44s %s" % (what, value))
