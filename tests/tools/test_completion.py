"""The bash completion offers every command and every option that the command itself knows of."""

import os
import re
import shutil
import subprocess

import pytest

from guestkit import CHARDEV, ROOT

FILE = os.path.join(ROOT, "data", "completions", "chardev")
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(BASH is None, reason="bash is not installed")


def complete(*words, cwd=None, env=None):
    """What bash offers for the last of the words."""
    script = """
        . "$1"; shift
        compopt() { :; }  # only there while bash itself completes
        COMP_WORDS=(chardev "$@") COMP_CWORD=$#
        _chardev
        [ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run([BASH, "-c", script, "bash", FILE, *words], cwd=cwd, env=env,
                          capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def help_of(*words):
    return subprocess.run([CHARDEV, *words], capture_output=True, text=True, check=True).stdout


def commands():
    return re.findall(r"^  (\w+) ", help_of("--help"), re.M)


def test_bash_can_read_it():
    subprocess.run([BASH, "-n", FILE], check=True)


def test_every_command():
    assert len(commands()) >= 4
    assert complete("") == set(commands()) | {"help", "--help", "--version"}
    assert complete("help", "") == set(commands())
    assert complete("ru") == {"run"}


def test_every_option_of_every_command():
    for command in commands():
        options = set(re.findall(r"--[a-z-]*", help_of("help", command).split("\n")[0]))
        assert complete(command, "-") == options | {"--help"}, command


def test_files_and_directories(tmp_path):
    for name in ("a.xml", "b.txt", "c.xml"):
        (tmp_path / name).touch()
    (tmp_path / "dir").mkdir()
    assert complete("run", "", cwd=tmp_path) == {"a.xml", "c.xml", "dir"}
    assert complete("run", "--runtime-dir", "", cwd=tmp_path) == {"dir"}
    assert complete("run", "--log-dir", "x", cwd=tmp_path) == set()


def test_certificates(tmp_path):
    (tmp_path / "dir").mkdir()
    assert complete("tls", "") == {"init"}
    assert complete("tls", "init", "", cwd=tmp_path) == {"dir"}


def test_running_domains(tmp_path):
    for name in ("vm1", "vm2", "other"):
        (tmp_path / name).mkdir()
    assert complete("xml", "--runtime-dir", str(tmp_path), "--live", "vm") == {"vm1", "vm2"}


def test_a_vmm_is_a_program_and_its_arguments_are_files(tmp_path):
    tool = tmp_path / "qemu-system-test"
    tool.touch(mode=0o755)
    env = dict(os.environ, PATH="%s:%s" % (tmp_path, os.environ["PATH"]))
    assert "qemu-system-test" in complete("run", "a.xml", "--", "qemu-system-t", env=env)
    assert complete("run", "a.xml", "--", "qemu-system-test", "-") == set()


def test_domains_are_those_that_are_served(tmp_path):
    tool = tmp_path / "chardev"
    tool.write_text("#!/bin/sh\necho \"$@\" >>%s/asked\nprintf 'vm1\\nvm2\\nother\\n'\n" % tmp_path)
    tool.chmod(0o755)
    env = dict(os.environ, PATH="%s:%s" % (tmp_path, os.environ["PATH"]))
    assert complete("attach", "--socket", "/s", "vm", env=env) == {"vm1", "vm2"}
    assert (tmp_path / "asked").read_text() == "list --names --socket /s\n"
    assert complete("undefine", "--runtime-dir", "/r", "o", env=env) == {"other"}
    assert (tmp_path / "asked").read_text().endswith("list --names --runtime-dir /r\n")
    assert complete("list", "", env=env) == set()


def test_nobody_answers():
    env = dict(os.environ, PATH="%s:%s" % (os.path.dirname(CHARDEV), os.environ["PATH"]))
    assert complete("attach", "--socket", "/nowhere/at/all", "", env=env) == set()
