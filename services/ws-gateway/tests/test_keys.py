"""What is taken for a key, and for which algorithm."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from ws_gateway.doors.keys import MAX_KEYS, MAX_SET_BYTES, Key, KeySet, key_of, keys_of
from ws_gateway.errors import KeysFlawed

RSA = rsa.generate_private_key(65_537, 2_048)
SHORT_RSA = rsa.generate_private_key(65_537, 1_024)  # noqa: S505 - refused below
ED = ed25519.Ed25519PrivateKey.generate()
SECRET = "s" * 32


def pem(private: Any) -> str:
    """Return the public key in PEM."""
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwk(key: Any, **more: Any) -> dict[str, Any]:
    """Return the entry of a key in a key set."""
    if isinstance(key, str):
        return {**HMACAlgorithm.to_jwk(key, as_dict=True), **more}
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else OKPAlgorithm
    return {**algorithm.to_jwk(key, as_dict=True), **more}


def document(*entries: Any) -> bytes:
    """Return a key set."""
    return json.dumps({"keys": entries}).encode()


def test_each_kind_of_key_is_good_for_one_algorithm():
    """What a key is decides, and nothing that a token says."""
    assert key_of(SECRET).algorithm == "HS256"
    assert key_of(pem(RSA)).algorithm == "RS256"
    assert key_of(pem(ED)).algorithm == "EdDSA"


def test_a_pem_may_be_written_on_one_line():
    """Where a variable holds no line ends, backslash and n stand for them."""
    assert key_of(pem(ED).replace("\n", "\\n")).algorithm == "EdDSA"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("too short to keep a secret", "openssl rand"),
        (pem(SHORT_RSA), "2048 bits"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "RSA of 2048 bits or more, or Ed25519"),
        ("-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----", "cannot be read"),
        (
            RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "give the public one",
        ),
        (
            RSA.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
            "another form than PEM",
        ),
    ],
)
def test_what_is_no_key_is_refused_with_the_cure_and_without_itself(text: str, words: str):
    """The message says what a key is; it repeats nothing, since it may be a secret."""
    with pytest.raises(KeysFlawed, match=words) as flawed:
        key_of(text)

    assert text[:20] not in str(flawed.value)


def test_a_key_set_gives_its_keys_by_name():
    """RSA and Ed25519 keys are found by algorithm and name."""
    keys = keys_of(document(jwk(RSA.public_key(), kid="r"), jwk(ED.public_key(), kid="e")), public=True)

    assert keys.algorithms == ("EdDSA", "RS256")
    assert [key.kid for key in keys.fitting("RS256", "r")] == ["r"]
    assert keys.fitting("RS256", "e") == ()
    assert keys.fitting("HS256", "r") == ()
    assert [key.kid for key in keys.fitting("EdDSA", None)] == ["e"]


def test_a_key_without_a_name_fits_a_token_that_names_one():
    """A key of the settings has no name, whatever the tokens call it; a named one is preferred."""
    keys = KeySet((Key("HS256", b"1"), Key("HS256", b"2", "b")))

    assert [key.material for key in keys.fitting("HS256", "a")] == [b"1"]
    assert [key.material for key in keys.fitting("HS256", "b")] == [b"2"]


@pytest.mark.parametrize(
    "entry",
    [
        jwk(SHORT_RSA.public_key()),
        jwk(RSA.public_key(), use="enc"),
        jwk(RSA.public_key(), alg="RS512"),
        jwk(RSA.public_key(), alg="HS256"),
        jwk(RSA.public_key(), key_ops=["encrypt"]),
        jwk(RSA.public_key(), key_ops=None),
        jwk(RSA.public_key(), kid=7),
        jwk(RSA.public_key(), kid="k" * 300),
        jwk(RSA),
        jwk(ED),
        {"kty": "RSA", "n": "AQAB"},
        {"kty": "RSA", "n": 5, "e": []},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
        {"kty": "EC", "crv": "P-256", "x": "", "y": ""},
        jwk(SECRET),
        {"kty": ["RSA"]},
        {},
        None,
        "RSA",
    ],
)
def test_what_cannot_be_used_of_a_public_key_set_is_passed_over(entry: Any):
    """Weak keys, private keys, shared secrets and other uses are no keys; the others are."""
    keys = keys_of(document(entry, jwk(ED.public_key(), kid="good")), public=True)

    assert [key.kid for key in keys.fitting("EdDSA", None)] == ["good"]
    assert len(keys) == 1
    with pytest.raises(KeysFlawed, match="no key to check with"):
        keys_of(document(entry), public=True)


def test_a_secret_is_a_key_only_in_a_file():
    """A key set that came over a network holds no secret any more."""
    assert keys_of(document(jwk(SECRET)), public=False).algorithms == ("HS256",)
    with pytest.raises(KeysFlawed):
        keys_of(document(jwk("short")), public=False)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b"\xff\xfe",
        b"[" * 100_000,
        b" " * (MAX_SET_BYTES + 1),
        document(*[{}] * (MAX_KEYS + 1)),
    ],
)
def test_what_is_no_key_set_is_refused(text: bytes):
    """Too large, too many, too deep or something else."""
    with pytest.raises(KeysFlawed):
        keys_of(text, public=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([jwk(RSA.public_key()), jwk(ED.public_key()), jwk(SECRET)]), st.data())
def test_no_entry_of_a_key_set_does_harm(entry: dict[str, Any], data: st.DataObject):
    """Whatever stands where in an entry, it is a key or it is none."""
    field = data.draw(st.sampled_from([*entry, "kid", "use", "alg", "key_ops", "d"]))
    changed = {**entry, field: data.draw(JSON)}
    with contextlib.suppress(KeysFlawed):
        assert len(keys_of(document(changed), public=False)) == 1


def test_a_key_shows_itself_to_nobody():
    """The material is in no representation, so that it is in no traceback either."""
    assert SECRET not in repr(key_of(SECRET))
