"""`chardev tls init`: what it makes, judged by certtool and openssl, and what it leaves alone."""

import os
import shutil
import stat
import subprocess

import pytest

from guestkit import CHARDEV

FILES = ["ca-cert.pem", "ca-key.pem", "client-cert.pem", "client-key.pem", "server-cert.pem",
         "server-key.pem"]


def run(*words, cwd=None):
    return subprocess.run(words, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def init(*words, cwd=None):
    return run(CHARDEV, "tls", *words, cwd=cwd)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("tls") / "set")
    done = init("init", directory, "--host", "vm.example.org", "--host", "192.0.2.7", "--host", "2001:db8::7")
    assert done.returncode == 0, done.stderr
    return directory, done.stdout


def test_the_files_and_who_may_read_them(made):
    assert sorted(os.listdir(made[0])) == FILES
    for name in FILES:
        mode = stat.S_IMODE(os.stat(os.path.join(made[0], name)).st_mode)
        assert mode & 0o077 == 0 or not name.endswith("-key.pem"), name
        assert mode & 0o600 == 0o600, name


def test_it_says_what_it_made(made):
    directory, said = made
    assert all(name in said for name in FILES)
    assert "vm.example.org, 192.0.2.7, 2001:db8::7, " in said
    assert "dir='%s'" % directory in said


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("name, purpose, check", [
    ("server", "sslserver", ["-verify_hostname", "localhost"]),
    ("server", "sslserver", ["-verify_hostname", "vm.example.org"]),
    ("server", "sslserver", ["-verify_ip", "127.0.0.1"]),
    ("server", "sslserver", ["-verify_ip", "::1"]),
    ("server", "sslserver", ["-verify_ip", "192.0.2.7"]),
    ("server", "sslserver", ["-verify_ip", "2001:db8::7"]),
    ("client", "sslclient", []),
])
def test_openssl_accepts_it(made, name, purpose, check):
    path = os.path.join(made[0], name)
    done = run("openssl", "verify", "-x509_strict", "-CAfile", os.path.join(made[0], "ca-cert.pem"),
               "-purpose", purpose, *check, path + "-cert.pem")
    assert done.returncode == 0, done.stderr
    assert run("openssl", "pkey", "-check", "-noout", "-in", path + "-key.pem").returncode == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("name, check", [
    ("server", ["-purpose", "sslclient"]),
    ("client", ["-purpose", "sslserver"]),
    ("server", ["-verify_hostname", "example.org"]),
])
def test_openssl_refuses_it_for_anything_else(made, name, check):
    done = run("openssl", "verify", "-CAfile", os.path.join(made[0], "ca-cert.pem"), *check,
               os.path.join(made[0], name + "-cert.pem"))
    assert done.returncode != 0


@pytest.mark.skipif(shutil.which("certtool") is None, reason="gnutls-bin is not installed")
@pytest.mark.parametrize("name", ["server", "client"])
def test_certtool_accepts_it(made, name):
    done = run("certtool", "--verify", "--verify-profile", "medium", "--load-ca-certificate",
               os.path.join(made[0], "ca-cert.pem"), "--infile",
               os.path.join(made[0], name + "-cert.pem"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_there_stays(tmp_path):
    (tmp_path / "client-key.pem").write_text("mine")
    done = init("init", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == ("chardev: %s/client-key.pem is there already and stays as it is; name another "
                           "directory, or remove it\n" % tmp_path)
    assert os.listdir(tmp_path) == ["client-key.pem"]
    assert (tmp_path / "client-key.pem").read_text() == "mine"


def test_a_directory_that_cannot_be_made(tmp_path):
    done = init("init", str(tmp_path / "no" / "such"))
    assert done.returncode == 1
    assert done.stderr.startswith("chardev: cannot make the directory ")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("words, complaint", [
    ([], 'tls takes "init" and one DIR'),
    (["init"], 'tls takes "init" and one DIR'),
    (["init", ""], 'tls takes "init" and one DIR'),
    (["made", "x"], 'tls takes "init" and one DIR'),
    (["init", "x", "y"], 'tls takes "init" and one DIR'),
    (["init", "x", "--host"], 'see "chardev help tls"'),
    (["init", "x", "--host", "a b"], 'tls: "a b" is neither a host\'s name nor an IP address'),
    (["init", "x", "--host", ""], 'tls: "" is neither a host\'s name nor an IP address'),
])
def test_wrong_usage(tmp_path, words, complaint):
    done = init(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert os.listdir(tmp_path) == []
