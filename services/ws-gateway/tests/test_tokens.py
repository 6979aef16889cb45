"""Which tokens are believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ws_gateway.doors.keys import Key, KeySet, key_of
from ws_gateway.doors.rights import Identity
from ws_gateway.doors.tokens import MAX_PATTERNS, MAX_TOKEN_LENGTH, Denied, Rules, check
from ws_gateway.errors import Untrusted

NOW = 1_700_000_000.0
SECRET = "s" * 32
RSA = rsa.generate_private_key(65_537, 2_048)
ED = ed25519.Ed25519PrivateKey.generate()
RSA_PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ED_PEM = ED.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
KEYS = KeySet((key_of(SECRET),))
ALL_KEYS = KeySet((key_of(SECRET), key_of(RSA_PEM), key_of(ED_PEM)))
RULES = Rules(("baleen",), leeway=10.0)
CLAIMS = {
    "sub": "alice",
    "aud": "baleen",
    "exp": NOW + 600,
    "baleen": {"subscribe": ["uw.v1.>"], "publish": ["command.v1.session.*"]},
}
MISSING = object()


def token(key: Any = SECRET, algorithm: str = "HS256", headers: Any = None, **claims: Any) -> str:
    """Sign the usual claims with *claims* in their place; a claim that is MISSING is left out."""
    said = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not MISSING}
    return jwt.encode(said, key, algorithm, headers=headers)


def by_hand(header: Any, claims: Any, secret: str = SECRET) -> str:
    """Sign with HS256 what a library would not."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    digest = hmac.digest(secret.encode(), b".".join(parts), hashlib.sha256)
    return b".".join([*parts, base64.urlsafe_b64encode(digest).rstrip(b"=")]).decode()


def reason(text: str, rules: Rules = RULES, keys: KeySet = KEYS, now: float = NOW) -> Untrusted | None:
    """Return why a token is not believed, None if it is."""
    verdict = check(text, keys, rules, now)
    return verdict.reason if isinstance(verdict, Denied) else None


@pytest.mark.parametrize(("key", "algorithm"), [(SECRET, "HS256"), (RSA, "RS256"), (ED, "EdDSA")])
def test_a_good_token_speaks_for_its_subject(key: Any, algorithm: str):
    """Subject, rights and end are the token's, whichever of the three ways it is signed."""
    identity = check(token(key, algorithm), ALL_KEYS, RULES, NOW)

    assert identity == Identity(
        "alice", ("uw.v1.>",), ("command.v1.session.*",), admin=False, expires_at=NOW + 600
    )


def test_what_a_token_does_not_say_is_not_allowed():
    """A token without rights is somebody who may hear and say nothing."""
    identity = check(token(baleen=MISSING), KEYS, RULES, NOW)

    assert isinstance(identity, Identity)
    assert (identity.subscribe, identity.publish, identity.admin) == ((), (), False)


def test_a_public_key_is_no_shared_secret():
    """A token that is signed with the text of the public key, as if that were a secret, is not believed."""
    forged = by_hand({"alg": "HS256", "typ": "JWT"}, CLAIMS, RSA_PEM)

    assert reason(forged, keys=KeySet((key_of(RSA_PEM),))) is Untrusted.UNKNOWN_KEY
    assert reason(forged, keys=ALL_KEYS) is Untrusted.SIGNATURE


@pytest.mark.parametrize("name", ["none", "None", "nOnE", "", "HS384", "RS512", "ES256", None, 5, ["HS256"]])
def test_no_other_algorithm_is_taken(name: Any):
    """Neither none at all, however it is spelt, nor one that no key of ours is good for."""
    unsigned = by_hand({"alg": name, "typ": "JWT"}, CLAIMS)

    assert reason(unsigned) in (Untrusted.ALGORITHM, Untrusted.MALFORMED)
    assert reason(f"{unsigned.rpartition('.')[0]}.") in (Untrusted.ALGORITHM, Untrusted.MALFORMED)


def test_another_key_is_not_believed():
    """A signature by somebody else, or none."""
    assert reason(token("t" * 32)) is Untrusted.SIGNATURE
    assert reason(f"{token().rpartition('.')[0]}.") in (Untrusted.SIGNATURE, Untrusted.MALFORMED)
    assert (
        reason(token(rsa.generate_private_key(65_537, 2_048), "RS256"), keys=ALL_KEYS) is Untrusted.SIGNATURE
    )


def test_a_token_may_name_its_key():
    """The named key is tried, and no other; of too many without a name none is."""
    other = KeySet((Key("HS256", b"o" * 32, "old"), Key("HS256", SECRET.encode(), "new")))

    assert reason(token(headers={"kid": "new"}), keys=other) is None
    assert reason(token(headers={"kid": "old"}), keys=other) is Untrusted.SIGNATURE
    assert reason(token(headers={"kid": "gone"}), keys=other) is Untrusted.UNKNOWN_KEY
    assert reason(token(), keys=other) is None
    many = KeySet(tuple(Key("HS256", bytes([65 + n]) * 32, str(n)) for n in range(5)))
    assert reason(token(), keys=many) is Untrusted.UNNAMED_KEY


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": MISSING}, Untrusted.CLAIMS),
        ({"exp": NOW}, Untrusted.EXPIRED),
        ({"exp": NOW - 1}, Untrusted.EXPIRED),
        ({"exp": NOW + 0.5}, None),
        ({"exp": "never"}, Untrusted.CLAIMS),
        ({"exp": True}, Untrusted.CLAIMS),
        ({"exp": None}, Untrusted.CLAIMS),
        ({"exp": float("inf")}, Untrusted.CLAIMS),
        ({"exp": float("nan")}, Untrusted.CLAIMS),
        ({"exp": 10**400}, Untrusted.CLAIMS),
        ({"nbf": NOW + 9}, None),
        ({"nbf": NOW + 11}, Untrusted.NOT_YET),
        ({"nbf": "soon"}, Untrusted.CLAIMS),
        ({"iat": NOW + 11}, Untrusted.NOT_YET),
        ({"iat": NOW - 86_400}, None),
        ({"aud": MISSING}, Untrusted.CLAIMS),
        ({"aud": "elsewhere"}, Untrusted.AUDIENCE),
        ({"aud": ["elsewhere", "baleen"]}, None),
        ({"aud": []}, Untrusted.CLAIMS),
        ({"aud": 5}, Untrusted.AUDIENCE),
        ({"sub": MISSING}, Untrusted.CLAIMS),
        ({"sub": ""}, Untrusted.CLAIMS),
        ({"sub": 5}, Untrusted.CLAIMS),
        ({"sub": "a" * 257}, Untrusted.CLAIMS),
        ({"sub": "a\nb"}, Untrusted.CLAIMS),
        ({"baleen": []}, Untrusted.CLAIMS),
        ({"baleen": {"admin": "yes"}}, Untrusted.CLAIMS),
        ({"baleen": {"subscribe": "uw.v1.>"}}, Untrusted.CLAIMS),
        ({"baleen": {"subscribe": [5]}}, Untrusted.CLAIMS),
        ({"baleen": {"subscribe": ["uw..price"]}}, Untrusted.CLAIMS),
        ({"baleen": {"publish": ["a"] * (MAX_PATTERNS + 1)}}, Untrusted.CLAIMS),
        ({"baleen": {"publish": ["command.v1.>"], "admin": True}}, None),
    ],
)
def test_the_claims_are_checked(claims: dict[str, Any], expected: Untrusted | None):
    """Times, audience, subject and rights; a clock may go before ours, but an end is an end."""
    header = {"alg": "HS256", "typ": "JWT"}
    said = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not MISSING}

    assert reason(by_hand(header, said)) is expected


def test_an_issuer_is_asked_for_where_one_is_named():
    """Any will do without, one alone with it."""
    strict = Rules(("baleen",), issuer="https://login.example")

    assert reason(token(iss="anybody")) is None
    assert reason(token(iss="https://login.example"), strict) is None
    assert reason(token(iss="anybody"), strict) is Untrusted.ISSUER
    assert reason(token(), strict) in (Untrusted.ISSUER, Untrusted.CLAIMS)


def test_a_token_may_be_asked_not_to_last_too_long():
    """What is left of it counts, the leeway added."""
    short = Rules(("baleen",), leeway=10.0, max_lifetime=300.0)

    assert reason(token(exp=NOW + 309), short) is None
    assert reason(token(exp=NOW + 311), short) is Untrusted.TOO_LONG


def test_a_token_that_demands_something_unknown_is_not_believed():
    """What stands in crit must be understood, and nothing of it is."""
    for demand in ({"crit": ["b64"], "b64": False}, {"crit": ["b64"], "b64": True}, {"crit": ["x"], "x": 1}):
        header = {"alg": "HS256", "typ": "JWT", **demand}
        assert reason(by_hand(header, CLAIMS)) is Untrusted.MALFORMED


def test_nothing_of_a_token_is_repeated():
    """The words tell what is wrong; the token, its subject and its claims are not in them."""
    marked = "unmistakable"
    for text in (
        token(sub=f"{marked}\n"),
        token(aud=marked),
        token(iss=marked),
        token(exp=marked),
        token(baleen={"subscribe": [f"{marked}..x"]}),
        token(headers={"kid": marked}),
        marked,
    ):
        verdict = check(text, KeySet((Key("HS256", b"k" * 32, "k"),)), RULES, NOW)
        assert isinstance(verdict, Denied)
        assert marked not in verdict.words


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda noise: noise.decode("latin-1")))
def test_noise_is_no_token(text: str):
    """Whatever is handed in, nothing is raised and nobody is let in."""
    assert reason(text, keys=ALL_KEYS) is not None


def test_what_is_too_long_or_too_deep_is_no_token():
    """Size is looked at first; depth does not exhaust anything."""
    deep = base64.urlsafe_b64encode(b"[" * 5_000).rstrip(b"=").decode()

    assert reason("a" * (MAX_TOKEN_LENGTH + 1)) is Untrusted.MALFORMED
    assert reason(f"{deep}.e30.AAAA") is Untrusted.MALFORMED
    assert reason(token(pad="x" * MAX_TOKEN_LENGTH)) is Untrusted.MALFORMED


GOOD = {"HS256": token(), "RS256": token(RSA, "RS256"), "EdDSA": token(ED, "EdDSA")}


@settings(max_examples=300)
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_a_changed_token_is_never_believed(algorithm: str, data: st.DataObject):
    """Any byte of any part changed, removed or added: the signature holds no more."""
    good = GOOD[algorithm]
    place = data.draw(st.integers(0, len(good) - 1))
    change = data.draw(st.sampled_from(["set", "cut", "insert", "swap parts"]))
    letter = data.draw(st.sampled_from("Aa0-_.=x"))
    if change == "set":
        changed = good[:place] + letter + good[place + 1 :]
    elif change == "cut":
        changed = good[:place] + good[place + 1 :]
    elif change == "insert":
        changed = good[:place] + letter + good[place:]
    else:
        other = GOOD[data.draw(st.sampled_from(sorted(GOOD)))].split(".")
        parts = good.split(".")
        parts[data.draw(st.integers(0, 2))] = other[data.draw(st.integers(0, 2))]
        changed = ".".join(parts)
    if decoded(changed) != decoded(good) and changed not in GOOD.values():
        assert reason(changed, keys=ALL_KEYS) is not None


def decoded(text: str) -> list[bytes] | None:
    """Return the bytes of a token's parts, if there are any: the last letter of one has several spellings."""
    try:
        return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in text.split(".")]
    except ValueError:
        return None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([*CLAIMS, "nbf", "iat", "iss"]), JSON)
def test_signed_nonsense_raises_nothing(name: str, value: Any):
    """Whatever whoever makes tokens writes into a claim: it is believed as it is meant, or it is not."""
    verdict = check(by_hand({"alg": "HS256", "typ": "JWT"}, {**CLAIMS, name: value}), KEYS, RULES, NOW)

    if isinstance(verdict, Identity):
        assert verdict.subject
        assert verdict.expires_at is not None
        assert verdict.expires_at > NOW
