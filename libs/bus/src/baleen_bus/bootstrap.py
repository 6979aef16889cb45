"""Creates or updates the streams and buckets; running it again changes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from baleen_bus.buckets import bucket_configs
from baleen_bus.connection import Bus, open_bus
from baleen_bus.errors import ApiRefused
from baleen_bus.streams import StreamSettings, stream_configs

NO_SUCH_STREAM = 10059
SUBJECTS_OVERLAP = 10065
WITHIN = 15.0
"""Seconds for one stream: a cluster places it on several servers first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one stream: ``created``, ``updated`` or ``unchanged``."""

    stream: str
    change: str


async def bootstrap(
    *,
    url: str,
    user: str | None = None,
    password: str | None = None,
    connect_within: float | None = 30.0,
    settings: StreamSettings | None = None,
) -> list[Outcome]:
    """Connects as a user that may manage streams, and brings every stream and bucket to its configuration.

    Raises:
        BusError: the server cannot be reached, or refuses a configuration.
    """
    async with open_bus(
        url=url, user=user, password=password, name="baleen-bus/bootstrap", connect_within=connect_within
    ) as bus:
        chosen = settings or StreamSettings()
        return await ensure_streams(bus, [*stream_configs(chosen), *bucket_configs(chosen)])


async def ensure_streams(bus: Bus, configs: Iterable[dict[str, Any]]) -> list[Outcome]:
    """Creates or updates each stream.

    A subject that moves between two streams is free only once its old owner is updated, so overlapping ones
    wait for the others.
    """
    outcomes: list[Outcome] = []
    waiting = list(configs)
    while waiting:
        postponed: list[dict[str, Any]] = []
        for config in waiting:
            try:
                outcomes.append(await _ensure(bus, config))
            except ApiRefused as error:
                if error.err_code != SUBJECTS_OVERLAP:
                    raise
                postponed.append(config)
                refusal = error
        if len(postponed) == len(waiting):
            raise refusal
        waiting = postponed
    return outcomes


async def _ensure(bus: Bus, config: dict[str, Any]) -> Outcome:
    name = config["name"]
    try:
        before = await bus.request_json(f"$JS.API.STREAM.INFO.{name}", within=WITHIN)
    except ApiRefused as error:
        if error.err_code != NO_SUCH_STREAM:
            raise
        await bus.request_json(f"$JS.API.STREAM.CREATE.{name}", config, within=WITHIN)
        return Outcome(name, "created")
    after = await bus.request_json(f"$JS.API.STREAM.UPDATE.{name}", config, within=WITHIN)
    return Outcome(name, "unchanged" if after["config"] == before["config"] else "updated")
