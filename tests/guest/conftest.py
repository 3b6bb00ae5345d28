"""Fixtures: a kit for a test, a kit for a module, and times worth knowing at the end of the run."""

import signal

import pytest

from guestkit import LONG, Kit

# What is started inherits it: under nohup(1) a chardev would rightly ignore SIGHUP.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


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


@pytest.fixture
def report(record_property):
    """report(WHAT, VALUE): a measurement for the end of the run."""
    return lambda what, value: record_property("measured", "%-44s %s" % (what, value))


def pytest_collection_modifyitems(config, items):
    """Tests marked long belong to make test-long."""
    late = [] if LONG else [item for item in items if item.get_closest_marker("long")]
    if late:
        config.hook.pytest_deselected(items=late)
        items[:] = [item for item in items if item not in late]


def pytest_terminal_summary(terminalreporter):
    lines = [text for reports in terminalreporter.stats.values() for r in reports
             if getattr(r, "when", None) == "call" for name, text in r.user_properties
             if name == "measured"]
    if lines:
        terminalreporter.section("measured")
    for line in lines:
        terminalreporter.write_line(line)
