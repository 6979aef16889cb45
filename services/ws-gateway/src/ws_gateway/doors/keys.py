"""The keys that tokens are checked with: a shared secret, a public key in PEM, or a JSON Web Key Set. Pure.

A key is good for one algorithm only, which follows from what it is and never from what a token says: a token
cannot make a public key pass for a shared secret.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from ws_gateway.errors import KeysFlawed

HS256: Final = "HS256"
RS256: Final = "RS256"
EDDSA: Final = "EdDSA"
ALGORITHMS: Final = (HS256, RS256, EDDSA)
MAX_KEYS: Final = 64
MAX_SET_BYTES: Final = 262_144
MIN_SECRET_BYTES: Final = 32
MIN_RSA_BITS: Final = 2_048
MAX_TRIED: Final = 4
"""Keys that one token is tried against: checking a signature costs time that everybody shares."""
_MAX_KID_LENGTH: Final = 256

Material = bytes | RSAPublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        algorithm: the only one it is good for.
        material: the key itself.
        kid: its name, None where it has none.
    """

    algorithm: str
    material: Material = field(repr=False)
    kid: str | None = None


class KeySet:
    """Some keys, at most `MAX_KEYS`."""

    def __init__(self, keys: tuple[Key, ...] = ()) -> None:
        self._keys = keys[:MAX_KEYS]
        self.algorithms = tuple(sorted({key.algorithm for key in self._keys}))

    def __len__(self) -> int:
        return len(self._keys)

    def __add__(self, other: KeySet) -> KeySet:
        return KeySet(self._keys + other._keys)

    def fitting(self, algorithm: str, kid: str | None) -> tuple[Key, ...]:
        """Return the keys that a token may have been signed with which names *algorithm* and *kid*.

        A key without a name fits whatever the token calls it; a token without one fits any key.
        """
        able = [key for key in self._keys if key.algorithm == algorithm]
        if kid is None:
            return tuple(able)
        named = tuple(key for key in able if key.kid == kid)
        return named or tuple(key for key in able if key.kid is None)


def key_of(text: str) -> Key:
    """Return the key that an operator wrote down: a public key in PEM, else a shared secret.

    Raises:
        KeysFlawed: it is no key that can be used; the message says what is, and never repeats it.
    """
    pem = text.replace("\\n", "\n").strip()
    if pem.startswith("-----BEGIN"):
        return _public_key_of(pem)
    secret = text.encode()
    if len(secret) < MIN_SECRET_BYTES:
        raise KeysFlawed(
            f"a shared secret has at least {MIN_SECRET_BYTES} bytes; make one with: openssl rand -hex 32"
        )
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except PyJWTError:
        raise KeysFlawed("this is a public key in another form than PEM, and no shared secret") from None
    return Key(HS256, secret)


def keys_of(document: bytes, *, public: bool) -> KeySet:
    """Return the usable keys of a JSON Web Key Set; keys of other kinds or for other uses are passed over.

    Args:
        document: the JSON text.
        public: whether it came over a network, where a shared secret would be none.

    Raises:
        KeysFlawed: it is no key set, too large, or holds no key that can be used.
    """
    if len(document) > MAX_SET_BYTES:
        raise KeysFlawed(f"the key set has more than {MAX_SET_BYTES} bytes")
    try:
        entries = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeysFlawed('the key set is no JSON object with a list "keys"') from None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise KeysFlawed(f'"keys" of the key set is no list of at most {MAX_KEYS}')
    found = [_key_of_entry(entry, public=public) for entry in entries if isinstance(entry, dict)]
    keys = tuple(key for key in found if key is not None)
    if not keys:
        secrets = "" if public else f", or a secret of {MIN_SECRET_BYTES} bytes or more for HS256"
        raise KeysFlawed(
            f"the key set holds no key to check with: RSA of {MIN_RSA_BITS} bits or more for RS256, "
            f"Ed25519 for EdDSA{secrets}"
        )
    return KeySet(keys)


def _public_key_of(pem: str) -> Key:
    if "PRIVATE" in pem.partition("\n")[0]:
        raise KeysFlawed("this is a private key, which stays with whoever makes tokens: give the public one")
    try:
        material = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise KeysFlawed("the PEM text cannot be read as a public key") from None
    key = _asymmetric(material, None)
    if key is None:
        raise KeysFlawed(f"a public key is RSA of {MIN_RSA_BITS} bits or more, or Ed25519")
    return key


def _key_of_entry(entry: dict[str, Any], *, public: bool) -> Key | None:
    kid, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    if kid is not None and not (isinstance(kid, str) and len(kid) <= _MAX_KID_LENGTH):
        return None
    if entry.get("use", "sig") != "sig" or not (isinstance(operations, list) and "verify" in operations):
        return None
    key = _material_of(entry, kid, public=public)
    return key if key is not None and entry.get("alg", key.algorithm) == key.algorithm else None


def _material_of(entry: dict[str, Any], kid: str | None, *, public: bool) -> Key | None:
    kind = entry.get("kty")
    try:
        if kind == "oct" and not public:
            secret = HMACAlgorithm.from_jwk(entry)
            return Key(HS256, secret, kid) if len(secret) >= MIN_SECRET_BYTES else None
        if "d" in entry:  # a private key that lies about is nobody's proof of anything
            return None
        if kind == "RSA":
            return _asymmetric(RSAAlgorithm.from_jwk(entry), kid)
        if kind == "OKP":
            return _asymmetric(OKPAlgorithm.from_jwk(entry), kid)
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        return None
    return None


def _asymmetric(material: object, kid: str | None) -> Key | None:
    if isinstance(material, RSAPublicKey) and material.key_size >= MIN_RSA_BITS:
        return Key(RS256, material, kid)
    return Key(EDDSA, material, kid) if isinstance(material, Ed25519PublicKey) else None
