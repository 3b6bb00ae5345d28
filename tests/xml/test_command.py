"""The command line around the model: help, unknown commands, files that cannot be read."""

import subprocess

import pytest

import oracle

GOOD = "<domain type='kvm'><name>g</name><os><type>hvm</type></os><devices><serial type='null'/></devices></domain>"


def chardev(*arguments, stdin=""):
    answer = subprocess.run([oracle.CHARDEV, *arguments], input=stdin, capture_output=True, encoding="utf-8",
        check=False)
    return answer.returncode, answer.stdout, answer.stderr


def test_help():
    status, out, err = chardev("--help")
    assert status == 0 and err == ""
    assert out.startswith("usage: chardev COMMAND") and "\n  check " in out and "\n  xml " in out
    assert chardev("help") == (0, out, "")
    assert chardev() == (2, "", out)


def test_help_of_a_command():
    status, out, _ = chardev("help", "check")
    assert status == 0 and out.startswith("usage: chardev check FILE\n")
    assert chardev("check", "--help") == (0, out, "")


def test_version():
    status, out, _ = chardev("--version")
    assert status == 0 and out.startswith("chardev ") and out.count("\n") == 1


@pytest.mark.parametrize("arguments", [["frobnicate"], ["help", "frobnicate"]])
def test_unknown_command(arguments):
    status, out, err = chardev(*arguments)
    assert (status, out) == (2, "") and err.count("\n") == 1 and '"frobnicate" is not a command' in err


@pytest.mark.parametrize("arguments", [["check"], ["check", "a", "b"], ["xml"], ["xml", "a", "b"],
    ["xml", "--live"], ["xml", "--nonsense", "a"], ["xml", "--live", "a", "b"]])
def test_wrong_usage(arguments):
    status, out, err = chardev(*arguments)
    assert (status, out) == (2, "") and err.count("\n") == 1


def test_files(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(GOOD)
    assert chardev("check", str(path)) == (0, "", "")
    path.write_text("\n" + GOOD.replace("null", "nil"))
    status, _, err = chardev("check", str(path))
    assert status == 1 and err.startswith(f"{path}:2: ")
    status, _, err = chardev("check", str(tmp_path / "absent.xml"))
    assert status == 1 and err.count("\n") == 1 and "No such file" in err
    status, _, err = chardev("xml", str(tmp_path))
    assert status == 1 and err.count("\n") == 1 and "Is a directory" in err


def test_standard_input():
    assert chardev("check", "-", stdin=GOOD) == (0, "", "")
    assert '<target type="isa-serial" port="0">' in chardev("xml", "-", stdin=GOOD)[1]


def test_full_disk(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(GOOD)
    with open("/dev/full", "wb") as full:
        answer = subprocess.run([oracle.CHARDEV, "xml", path], stdout=full, stderr=subprocess.PIPE, check=False)
    assert answer.returncode == 1 and b"No space left" in answer.stderr
