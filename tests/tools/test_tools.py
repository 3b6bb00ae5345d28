"""The project's own tools: a check that lets everything pass, or a count that hides a failure, is worse than none."""

import os
import re
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest

from guestkit import ROOT

# Not beside the scripts, where it would be mistaken for a source.
sys.dont_write_bytecode = True
loader = SourceFileLoader("run", os.path.join(ROOT, "tests", "run"))
run = module_from_spec(spec_from_loader("run", loader))
loader.exec_module(run)


def check_includes(root):
    done = subprocess.run([os.path.join(ROOT, "tests", "check-includes"), str(root)], text=True,
                          stdout=subprocess.PIPE)
    return done.returncode, done.stdout


def write(root, path, text):
    os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
    with open(os.path.join(root, path), "w") as f:
        f.write(text)


@pytest.mark.parametrize("path, include, complaint", [
    ("src/backend/a.c", '"util/u.h"', None),
    ("src/backend/a.c", '"backend/b.h"', None),
    ("src/backend/a.c", '"device/d.h"', "src/backend/a.c:2: backend may not include device"),
    ("src/cli/terminal_x.c", '"device/d.h"', "cli may not include device"),
    ("src/cli/run_x.c", '"device/d.h"', None),
    ("src/backend/a.c", '"../util/u.h"', "includes are written from src/"),
    ("src/backend/a.c", '"b.h"', "includes are written from src/"),
    ("src/backend/a.c", "<uv.h>", "only loop may include <uv.h>"),
    ("src/loop/a.c", "<uv.h>", None),
    ("src/cli/a.c", "<jansson.h>", None),
    ("src/device/a.c", "<jansson.h>", "only vmm and control and cli may include <jansson.h>"),
    ("src/stream/tls.c", "<gnutls/gnutls.h>", None),
    ("src/cli/tls_x.c", "<gnutls/x509.h>", None),
    ("src/cli/a.c", "<gnutls/x509.h>", "only stream and cli/tls_ may include <gnutls/x509.h>"),
    ("src/attic/a.c", "<stdio.h>", "the folder is not in the table"),
    ("src/a.c", "<stdio.h>", "the folder is not in the table"),
])
def test_includes_are_those_of_the_table(tmp_path, path, include, complaint):
    for header in ("util/u.h", "backend/b.h", "device/d.h"):
        write(tmp_path, "src/" + header, "")
    write(tmp_path, path, "/* a file */\n#include %s\n" % include)
    status, output = check_includes(tmp_path)
    if complaint:
        assert status == 1 and complaint in output
    else:
        assert (status, output) == (0, "")


def test_a_tree_without_sources_fails_the_check(tmp_path):
    assert check_includes(tmp_path)[0] == 1


PROJECT = """
project('chardev', version: '1')
sh = find_program('sh')
foreach name, script : {
    'good': 'echo 1..2; echo ok 1 - a; echo ok 2 - b',
    'bad': 'echo 1..2; echo ok 1 - a; echo not ok 2 - b',
    'skip': 'echo 1..2; echo ok 1 - a; echo "ok 2 - b # SKIP no such device"',
    'crash': 'echo 1..2; echo ok 1 - a; kill -SEGV $$',
    'report': 'echo 1..1; echo ok 1 - a; exit 1',
}
    test(name, sh, args: ['-c', script], protocol: 'tap', suite: 'unit')
endforeach
test('plain', sh, args: ['-c', 'exit 0'])
test('plain_bad', sh, args: ['-c', 'exit 1'])
test('plain_skip', sh, args: ['-c', 'echo no such compiler; exit 77'])
test('late', find_program('sleep'), args: ['60'], timeout: 1)
test('weeks', sh, args: ['-c', 'exit 1'], suite: 'long')
"""


def test_the_count_hides_no_failure(tmp_path):
    write(tmp_path, "meson.build", PROJECT)
    build = str(tmp_path / "b")
    subprocess.run(["meson", "setup", build, str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    count = run.Count()
    run.run_meson(build, 2, False, count)
    # good 2, bad 1, skip 1, crash 1, report 1, plain 1
    assert count.passed == 7
    # bad, crash, report, plain_bad, late
    assert count.failed == 5
    assert len(count.skipped) == 2
    assert any(re.search("no such device", line) for line in count.skipped)
    assert any(line.endswith("plain_skip: no such compiler") for line in count.skipped)


def test_a_runner_that_runs_nothing_counts_as_a_failure(tmp_path):
    write(tmp_path, "meson.build", "project('chardev')\n")
    build = str(tmp_path / "b")
    subprocess.run(["meson", "setup", build, str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    count = run.Count()
    run.run_meson(build, 2, False, count)
    assert (count.passed, count.failed) == (0, 1)
