"""Who may say and hear what, and the nats-server configuration that holds everybody to it. Pure.

Nobody may publish on a public subject: what stands there was stored and numbered by a stream. A direct get
by body ignores subject permissions, so secrecy ends at the stream: a user gets it only for streams it may
read whole.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from baleen_bus.buckets import (
    BUDGET,
    DELIVERY,
    DEMAND,
    GATEWAYS,
    LEASES,
    SESSIONS,
    changes_of,
    stream_of,
    subject_of,
)
from baleen_bus.streams import INGRESS
from baleen_contracts.catalogue import streams

PASSWORD_VARIABLES: Final[Mapping[str, str]] = {
    "uw-ingest": "UW_INGEST_NATS_PASSWORD",
    "ws-gateway": "WS_GATEWAY_NATS_PASSWORD",
    "alert-bridge": "ALERT_BRIDGE_NATS_PASSWORD",
    "uw-simulator": "UW_SIMULATOR_NATS_PASSWORD",
    "engine": "ENGINE_NATS_PASSWORD",
    "publisher": "PUBLISHER_NATS_PASSWORD",
    "bootstrap": "BOOTSTRAP_NATS_PASSWORD",
    "team": "TEAM_NATS_PASSWORD",
}

_REQUEST_ONE: Final = "1m"
"""How long a service may take to answer a request it received."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What one user may do. ``answers``: it may answer requests that it is allowed to hear."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    answers: bool = False


def rights_of(user: str) -> Rights:
    """The rights of one of our users, its own inbox included.

    Raises:
        KeyError: there is no such user.
    """
    rights = _RIGHTS[user]
    return Rights(
        publish=("$JS.API.INFO", *rights.publish),
        subscribe=(f"_INBOX_{user}.>", *rights.subscribe),
        answers=rights.answers,
    )


def reading(*names: str) -> tuple[str, ...]:
    """The JetStream requests with which a Follower reads these streams whole, and no others."""
    requests: list[str] = []
    for name in names:
        requests += [
            f"$JS.API.STREAM.INFO.{name}",
            f"$JS.API.DIRECT.GET.{name}",
            f"$JS.API.CONSUMER.CREATE.{name}.*",
            f"$JS.API.CONSUMER.CREATE.{name}.*.>",
            f"$JS.API.CONSUMER.MSG.NEXT.{name}.*",
            f"$JS.API.CONSUMER.DELETE.{name}.*",
        ]
    return tuple(requests)


def consuming(*names: str) -> tuple[str, ...]:
    """The JetStream requests with which a durable consumer of these streams is watched, and acks."""
    return tuple(
        request for name in names for request in (f"$JS.API.CONSUMER.INFO.{name}.*", f"$JS.ACK.{name}.>")
    )


def nats_config(*, with_users: bool = True) -> str:
    """The nats-server configuration; addresses, store and passwords come from its environment.

    Without users anybody on the same machine may do anything: for tests and experiments only.
    """
    return "\n".join([_HEAD, _authorization()] if with_users else [_HEAD])


def nats_users() -> str:
    """The part of the configuration that says who may do what, to be included in a server's own."""
    return f"{_USERS_HEAD}\n{_authorization()}"


def _authorization() -> str:
    users = [_user(name, variable) for name, variable in PASSWORD_VARIABLES.items()]
    return _AUTHORIZATION.format(users="\n".join(users))


def _domains(names: tuple[str, ...]) -> tuple[str, ...]:
    found = {pattern.split(".", 1)[0]: None for name in names for pattern in streams()[name]}
    return tuple(f"{domain}.>" for domain in found)


def _ingress(*domains: str) -> tuple[str, ...]:
    return tuple(f"{INGRESS}{domain}.>" for domain in domains)


def _kept(*buckets: str) -> tuple[str, ...]:
    return reading(*(stream_of(bucket) for bucket in buckets))


def _keys(key: str, *buckets: str) -> tuple[str, ...]:
    return tuple(subject_of(bucket, key) for bucket in buckets)


_ALL: Final = tuple(streams())
_BRIDGE_LEASES: Final = ("deliver.>", "watch")
_UPSTREAM: Final = ("TAPE", "LATEST", "RECORDS", "CUSTOM", "FEED")

_RIGHTS: Final[Mapping[str, Rights]] = {
    "uw-ingest": Rights(
        publish=(
            *_ingress("uw", "feed"),
            *reading(*_UPSTREAM),
            *(subject_of(LEASES, key) for key in ("socket.>", "planner", "rest")),
            *_keys(">", BUDGET),
            *_kept(LEASES, BUDGET, DEMAND),
            "command.v1.ingest.>",
        ),
        subscribe=(
            *_domains(_UPSTREAM),
            *(changes_of(bucket) for bucket in (LEASES, BUDGET, DEMAND)),
            "command.v1.ingest.>",
        ),
        answers=True,
    ),
    "ws-gateway": Rights(
        publish=(
            "command.v1.>",
            *reading(*_ALL),
            *_keys("gateway.>", DEMAND),
            *_keys(">", GATEWAYS),
            *_kept(GATEWAYS, SESSIONS),
        ),
        subscribe=(*_domains(_ALL), changes_of(GATEWAYS), "command.v1.gateway.>"),
        answers=True,
    ),
    "alert-bridge": Rights(
        publish=(
            *_ingress("alert", "dead"),
            *reading(*_ALL),
            *consuming("ALERT", "DEAD"),
            *(subject_of(LEASES, key) for key in _BRIDGE_LEASES),
            *_keys(">", DELIVERY),
            *_kept(LEASES, DELIVERY),
        ),
        subscribe=(
            *_domains(_ALL),
            *(changes_of(LEASES, key) for key in _BRIDGE_LEASES),
            changes_of(DELIVERY),
        ),
    ),
    "uw-simulator": Rights(
        publish=(
            *_ingress("signal", "market", "agent", "narrative", "session", "bridge"),
            *_keys(">", SESSIONS),
        ),
        subscribe=("command.v1.session.>",),
        answers=True,
    ),
    "engine": Rights(
        publish=(*_ingress("session"), *_keys(">", SESSIONS)),
        subscribe=("command.v1.session.>",),
        answers=True,
    ),
    "publisher": Rights(
        publish=_ingress("alert", "signal", "market", "agent", "narrative", "bridge"), subscribe=()
    ),
    "bootstrap": Rights(publish=("$JS.API.>",), subscribe=()),
    "team": Rights(publish=(*reading(*_ALL), *_keys("team.>", DEMAND)), subscribe=_domains(_ALL)),
}

_HEAD: Final = """\
# Made by `baleen-bus nats-config`; change baleen_bus.permissions or baleen_bus.streams instead.
#
# BALEEN_NATS_LISTEN   where clients connect, such as 127.0.0.1:4222
# BALEEN_NATS_MONITOR  the HTTP monitor, such as 127.0.0.1:8222
# BALEEN_NATS_STORE    the folder that keeps the streams

listen: $BALEEN_NATS_LISTEN
http: $BALEEN_NATS_MONITOR
max_payload: 1MB

jetstream {
  store_dir: $BALEEN_NATS_STORE
  # A bound on what the streams may reserve together, not a reservation. Without it the server takes three
  # quarters of the free disk, which on a small one is less than the streams' own bounds add up to.
  max_file_store: 64GB
  max_memory_store: 64MB
}
"""

_USERS_HEAD: Final = """\
# Made by `baleen-bus nats-config --only-users`; change baleen_bus.permissions instead.
"""

_AUTHORIZATION: Final = """\
# A password is a value of this language: begin it with a letter, or a number will be taken for one.
authorization {{
  timeout: 5
  users: [
{users}
  ]
}}
"""


def _user(name: str, variable: str) -> str:
    rights = rights_of(name)
    lines = [
        "    {",
        f"      user: {json.dumps(name)}",
        f"      password: ${variable}",
        "      permissions {",
        f"        publish: {_allowed(rights.publish)}",
        f"        subscribe: {_allowed(rights.subscribe)}",
    ]
    if rights.answers:
        lines.append(f'        allow_responses: {{ max: 1, expires: "{_REQUEST_ONE}" }}')
    return "\n".join([*lines, "      }", "    }"])


def _allowed(subjects: tuple[str, ...]) -> str:
    return "\n".join(["[", *(f"          {json.dumps(subject)}" for subject in subjects), "        ]"])
