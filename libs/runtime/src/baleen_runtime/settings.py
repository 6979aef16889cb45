"""Settings in two steps: read the environment strictly, then hand a frozen value to the service.

One class per service, one prefix each. Shared settings are spelled ``BALEEN_…``. A variable that carries one
of our prefixes and is not known refuses the start, because a misspelt setting that is silently ignored is
found in production and nowhere else.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from baleen_runtime.errors import SettingsError

SHARED_PREFIX = "BALEEN_"
_HTTP = r"^https?://[^\s/]"

S = TypeVar("S", bound="ServiceSettings")


def settings_for(prefix: str) -> SettingsConfigDict:
    """Return the model configuration of a settings class whose variables start with *prefix*."""
    return SettingsConfigDict(env_prefix=prefix, frozen=True, extra="forbid", populate_by_name=True)


class ServiceSettings(BaseSettings):
    """What every service reads. Subclasses add their own fields under their own prefix."""

    model_config: ClassVar[SettingsConfigDict] = settings_for(SHARED_PREFIX)

    nats_url: str = Field(
        default="nats://127.0.0.1:4222",
        validation_alias="BALEEN_NATS_URL",
        description="Where NATS listens; several servers are separated by commas.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="BALEEN_LOG_LEVEL", description="The least level that is logged."
    )
    log_format: Literal["console", "json"] = Field(
        default="console",
        validation_alias="BALEEN_LOG_FORMAT",
        description="`console` for people, `json` for machines.",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=_HTTP,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="The collector that takes traces over OTLP/HTTP, without `/v1/traces`; none without it.",
    )
    otlp_traces_endpoint: str | None = Field(
        default=None,
        pattern=_HTTP,
        validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        description="The whole URL instead.",
    )
    otlp_headers: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
        description="What the collector wants to see, such as `authorization=Bearer%20…`.",
    )

    @property
    def traces_endpoint(self) -> str | None:
        """The URL that takes traces, if there is one."""
        if self.otlp_traces_endpoint or not self.otlp_endpoint:
            return self.otlp_traces_endpoint
        return f"{self.otlp_endpoint.rstrip('/')}/v1/traces"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take constructor arguments only; the environment comes in through `load_settings`."""
        _ = settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    def secrets(self) -> list[str]:
        """Return the values that must never be printed."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def variables_of(cls: type[ServiceSettings]) -> dict[str, list[str]]:
    """Return, per field of *cls*, the environment variables it is read from, the preferred one first."""
    prefix = cls.model_config.get("env_prefix") or ""
    return {name: _variables(name, field, prefix) for name, field in cls.model_fields.items()}


def load_settings(cls: type[S], environ: Mapping[str, str]) -> S:
    """Build *cls* from *environ*.

    An empty variable counts as not set, as it does in compose files.

    Raises:
        SettingsError: a variable is unknown, wrong or missing; the message says which and what to do.
    """
    names = variables_of(cls)
    given = {name: value for name, value in environ.items() if value.strip()}
    problems = _unknown_variables(cls, names, given)
    values: dict[str, Any] = {}
    for field_name, variables in names.items():
        found = next((given[name] for name in variables if name in given), None)
        if found is not None:
            values[field_name] = _structured(cls.model_fields[field_name], found.strip())
    try:
        settings = cls(**values)
    except ValidationError as error:
        raise SettingsError(problems + _wrong_variables(names, error)) from None
    if problems:
        raise SettingsError(problems)
    return settings


def _variables(name: str, field: FieldInfo, prefix: str) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [alias] if isinstance(alias, str) else [(prefix + name).upper()]


def _structured(field: FieldInfo, text: str) -> Any:
    """Split a comma-separated variable into the list that its field wants; JSON is taken as it is."""
    if not any(word in str(field.annotation) for word in ("list[", "tuple[", "set[")):
        return text
    if text.startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return text  # not the list it began to be: the field says so, with the variable's name
    return [part.strip() for part in text.split(",") if part.strip()]


def _unknown_variables(
    cls: type[ServiceSettings], names: dict[str, list[str]], given: Mapping[str, str]
) -> list[str]:
    prefixes = {SHARED_PREFIX, cls.model_config.get("env_prefix") or SHARED_PREFIX}
    known = [variable for variables in names.values() for variable in variables]
    problems = []
    for name in sorted(given):
        if name in known or not any(name.startswith(prefix) for prefix in prefixes):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        cure = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
        if given[name].startswith("tcp://"):
            cure = (
                "Kubernetes injects it for a Service of that name: set enableServiceLinks: false on the pod"
            )
        problems.append(f"{name} is not a setting: {cure}")
    return problems


def _wrong_variables(names: dict[str, list[str]], error: ValidationError) -> list[str]:
    problems = []
    for detail in error.errors(include_url=False, include_input=False):
        place = str(detail["loc"][0]) if detail["loc"] else ""
        variable = next((v[0] for n, v in names.items() if n == place or place in v), place) or "settings"
        verb = "is needed" if detail["type"] == "missing" else f"is wrong: {detail['msg']}"
        problems.append(f"{variable} {verb}")
    return problems
