"""Certificates as they should be, and as they should not, made by the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

CA = "basicConstraints=critical,CA:TRUE"
RIGHT_NAME = "subjectAltName=IP:127.0.0.1"

# `openssl ca` is the only command of OpenSSL 3.0 that dates a certificate as it is asked to.
_CONFIG = """
[ca]
default_ca = here
[here]
new_certs_dir = .
database = index
rand_serial = yes
unique_subject = no
policy = any
[any]
commonName = supplied
"""


@dataclass(frozen=True)
class Certificate:
    """A certificate, its private key, and who signed it (None: it signed itself)."""

    path: Path  # PEM: the private key, the certificate, and the chain that goes with it
    issuer: Certificate | None

    @property
    def name(self) -> str:
        """The common name."""
        return self.path.stem

    @property
    def public_path(self) -> Path:
        """PEM: the certificate alone, as in `mqtt.tls.ca`."""
        return self.path.with_suffix(".crt")

    @property
    def key_path(self) -> Path:
        """PEM: the private key alone."""
        return self.path.with_suffix(".key")

    def chain(self) -> str:
        """Return this certificate and everything above it, as PEM."""
        return self.public_path.read_text() + (self.issuer.chain() if self.issuer else "")


class Authorities:
    """Issues certificates in a folder of its own.

    Attributes:
        trusted: the authority that issues, unless another certificate is asked to.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed (Debian: apt-get install openssl)")
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "ca.cnf").write_text(_CONFIG)
        (folder / "index").touch()
        self.trusted = self.self_signed("trusted", CA)

    def issue(
        self,
        name: str,
        *extensions: str,
        issuer: Certificate | None = None,
        key: str = "EC:prime256v1",
        digest: str = "sha256",
        valid_days: tuple[float, float] = (-1, 1),
        with_chain: bool = True,
    ) -> Certificate:
        """Return a certificate for a new key, valid between two days counted from now.

        Without extensions it is one for 127.0.0.1. `key` is `EC:<curve>` or `RSA:<bits>`.
        """
        certificate = Certificate(self.folder / f"{name}.pem", issuer or self.trusted)
        self._sign(certificate, extensions or (RIGHT_NAME,), key, digest, valid_days)
        chain = certificate.chain() if with_chain else certificate.public_path.read_text()
        certificate.path.write_text(certificate.key_path.read_text() + chain)
        return certificate

    def self_signed(self, name: str, *extensions: str) -> Certificate:
        """Return a certificate that is signed with its own key."""
        certificate = Certificate(self.folder / f"{name}.pem", None)
        self._sign(certificate, extensions, "EC:prime256v1", "sha256", (-1, 1))
        certificate.path.write_text(certificate.key_path.read_text() + certificate.chain())
        return certificate

    def openssl(self, *words: str) -> None:
        """Run it in the folder."""
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def _sign(
        self,
        certificate: Certificate,
        extensions: tuple[str, ...],
        key: str,
        digest: str,
        valid_days: tuple[float, float],
    ) -> None:
        name, issuer = certificate.name, certificate.issuer
        kind, size = key.split(":")
        option = "ec_paramgen_curve" if kind == "EC" else "rsa_keygen_bits"
        self.openssl(
            *("genpkey", "-algorithm", kind, "-pkeyopt", f"{option}:{size}"),
            *("-out", f"{name}.key"),
        )
        self.openssl(
            *("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        )
        (self.folder / f"{name}.extensions").write_text("\n".join((*extensions, "")))
        begin, end = (_asn1_time(days) for days in valid_days)
        self.openssl(
            *("ca", "-batch", "-notext", "-config", "ca.cnf", "-in", f"{name}.csr"),
            *("-keyfile", str((issuer or certificate).key_path), "-md", digest),
            *("-startdate", begin, "-enddate", end),
            *(("-cert", str(issuer.public_path)) if issuer else ("-selfsign",)),
            *("-extfile", f"{name}.extensions", "-out", f"{name}.crt"),
        )


def _asn1_time(days_from_now: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days_from_now)).strftime("%Y%m%d%H%M%SZ")
