"""Certificates that sign themselves, for servers on loopback."""

import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """Where it is, and its private key. It is its own authority."""

    file: Path
    key: Path


def self_signed(folder: Path, name: str) -> Certificate:
    """A certificate for two days.

    Args:
        folder: Where it is put.
        name: Whose it is, such as `DNS:hub.test` or `IP:127.0.0.1`; nobody else's.
    """
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=test", "-addext", f"subjectAltName={name}"]
    places = ["-out", str(made.file), "-keyout", str(made.key)]
    command = ["openssl", "req", "-x509", *options, *names, *places]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made
