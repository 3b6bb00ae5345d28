"""Certificates, good and bad, for tests of TLS: an authority's and a stranger's, made with openssl(1).

All of an authority's certificates share one key, which makes a set in a second. Names of files:
WHO-cert.pem with `key`, ca-cert.pem, ca-crl.pem; pair(WHO) and directory() hand them out.
"""

import os
import shutil
import subprocess

CONFIGURATION = """[ca]
default_ca = here
[here]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
default_crl_days = 30
unique_subject = no
policy = any
[any]
organizationName = optional
commonName = supplied
[authority]
basicConstraints = critical, CA:true
keyUsage = keyCertSign, cRLSign
subjectKeyIdentifier = hash
[client]
basicConstraints = CA:false
keyUsage = digitalSignature
extendedKeyUsage = clientAuth
[server]
basicConstraints = CA:false
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[elsewhere]
basicConstraints = CA:false
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:example.org, IP:127.0.0.2
[client-here]
basicConstraints = CA:false
keyUsage = digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
"""

# As openssl ca takes them.
NOW = ("-days", "30")
PAST = ("-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
FUTURE = ("-startdate", "20900101000000Z", "-enddate", "20910101000000Z")


class Certificates:
    """One authority and what it has signed, in a directory of its own."""

    def __init__(self, path, name="authority"):
        self.path = path
        os.mkdir(path)
        for name_of_file, text in (("configuration", CONFIGURATION), ("index", "")):
            with open(os.path.join(path, name_of_file), "w") as f:
                f.write(text)
        self.make_key("ca-key.pem")
        self.make_key("key")
        self.request("ca-key.pem", "ca-request", name)
        self.request("key", "request", "nobody")
        self.sign("ca", "/CN=" + name, "authority", more=("-selfsign", "-in", "ca-request"))

    def file(self, name):
        return os.path.join(self.path, name)

    def openssl(self, *words):
        run = subprocess.run(["openssl", *words], cwd=self.path, text=True, capture_output=True)
        assert run.returncode == 0, "openssl %s: %s" % (" ".join(words), run.stderr)

    def make_key(self, name):
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name)

    def request(self, key, name, subject):
        self.openssl("req", "-new", "-key", key, "-subj", "/CN=" + subject, "-out", name)

    def sign(self, who, subject, purpose, when=NOW, more=("-cert", "ca-cert.pem", "-in", "request")):
        """WHO-cert.pem, for the purpose of a section above."""
        self.openssl("ca", "-batch", "-notext", "-config", "configuration", "-keyfile", "ca-key.pem",
                     "-subj", subject, "-extensions", purpose, *when, *more, "-out", who + "-cert.pem")

    def make_revocations(self, *who, name="ca-crl.pem", when=()):
        """A list of those that have been revoked so far, and now of these."""
        authority = ("-config", "configuration", "-keyfile", "ca-key.pem", "-cert", "ca-cert.pem")
        for one in who:
            self.openssl("ca", *authority, "-revoke", one + "-cert.pem")
        self.openssl("ca", *authority, "-gencrl", *when, "-out", name)

    @property
    def authority(self):
        return self.file("ca-cert.pem")

    def pair(self, who):
        """What ssl.SSLContext.load_cert_chain() takes."""
        return self.file(who + "-cert.pem"), self.file("key")

    def directory(self, path, revocations=False, **own):
        """A directory for <chardev:tls dir=>, with server=WHO or client=WHO or both as its own."""
        os.mkdir(path)
        shutil.copy(self.authority, path)
        if revocations:
            shutil.copy(self.file("ca-crl.pem"), path)
        for role, who in own.items():
            certificate, key = self.pair(who)
            shutil.copy(certificate, os.path.join(path, role + "-cert.pem"))
            shutil.copy(key, os.path.join(path, role + "-key.pem"))
        return path
