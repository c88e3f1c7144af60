"""A certificate authority of this machine's own, so that a headset trusts the server once and for good.

The authority and its key stay in the user's data folder (0600) and never change; the server's certificate is made
anew when the machine's addresses change or it grows old. Browsers need a secure page for WebXR, and a headset that
installed `ca.crt` (or accepted the warning once for a key that stays) is never asked again.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
LEAF_DAYS = 397
"""The longest life of a server certificate that browsers accept (CA/Browser Forum baseline requirements 6.3.2)."""
RENEW_BEFORE_DAYS = 30


@dataclass(frozen=True, slots=True)
class Identity:
    """What a TLS server shows, and what a headset may install."""

    authority: Path
    certificate: Path
    key: Path
    names: tuple[str, ...]
    """Host names and addresses that the certificate is valid for."""


def machine_identity(folder: Path | None = None, names: tuple[str, ...] | None = None) -> Identity:
    """The identity of this machine, made or renewed where needed; keys are readable by their owner only."""
    place = folder or _data_folder()
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    wanted = machine_names() if names is None else names
    identity = Identity(place / "ca.crt", place / "server.crt", place / "server.key", wanted)
    if not (identity.authority.is_file() and (place / "ca.key").is_file()):
        _make_authority(identity.authority, place / "ca.key")
    if not _is_current(identity):
        _issue(identity, place / "ca.key")
    return identity


def trusting_this_machine() -> ssl.SSLContext:
    """For a client's TLS: trust what every program here trusts, and this machine's own authority where it has one."""
    context, authority = ssl.create_default_context(), _data_folder() / "ca.crt"
    if authority.is_file():
        context.load_verify_locations(authority)
    return context


def machine_names() -> tuple[str, ...]:
    """Host names and addresses by which another machine of the local network reaches this one, and localhost."""
    host = socket.gethostname().split(".")[0]
    return ("localhost", "127.0.0.1", "::1", f"{host}.local", *lan_addresses())


def lan_addresses() -> tuple[str, ...]:
    """IPv4 addresses of this machine in its networks; the one used for outgoing traffic first. Sends nothing."""
    found: list[str] = []
    # A machine without any network has no address to offer.
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737): a route is looked up, no packet leaves
        found.append(probe.getsockname()[0])
    with contextlib.suppress(OSError):  # a host name that does not resolve adds nothing
        found += [str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return tuple(dict.fromkeys(a for a in found if not ipaddress.ip_address(a).is_loopback))


def _data_folder() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "skin-teleop" / "tls"


def _make_authority(certificate: Path, key_file: Path) -> None:
    key = _new_key(key_file)
    name = _name(f"skin-teleop on {socket.gethostname().split('.')[0]}"[:64])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    signed = (
        _draft(name, name, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_private(certificate, signed.public_bytes(serialization.Encoding.PEM))


def _issue(identity: Identity, authority_key_file: Path) -> None:
    authority = x509.load_pem_x509_certificate(identity.authority.read_bytes())
    authority_key = serialization.load_pem_private_key(authority_key_file.read_bytes(), None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not an elliptic-curve key")
    key = _new_key(identity.key)
    signed = (
        _draft(_name("skin-teleop server"), authority.subject, key.public_key(), LEAF_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in identity.names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write_private(identity.certificate, signed.public_bytes(serialization.Encoding.PEM))


def _is_current(identity: Identity) -> bool:
    if not (identity.certificate.is_file() and identity.key.is_file()):
        return False
    leaf = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
    authority = x509.load_pem_x509_certificate(identity.authority.read_bytes())
    covered = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    renew_at = leaf.not_valid_after_utc - datetime.timedelta(days=RENEW_BEFORE_DAYS)
    return (
        {_general_name(n) for n in identity.names} <= set(covered)
        and leaf.issuer == authority.subject
        and datetime.datetime.now(datetime.UTC) < renew_at
    )


def _draft(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days - 1))
    )


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_private(path, plain)
    return key


def _write_private(path: Path, content: bytes) -> None:
    """Replace a file at once; nobody but its owner ever may read it."""
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(path)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
