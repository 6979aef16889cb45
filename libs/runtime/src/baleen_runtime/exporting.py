"""Whether spans leave this process, as its settings say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from baleen_runtime.settings import ServiceSettings
from baleen_runtime.tracing import recorded_by


@asynccontextmanager
async def traced(settings: ServiceSettings, service: str) -> AsyncIterator[None]:
    """Export the spans of the block to the collector that *settings* name, if they name one."""
    endpoint = settings.traces_endpoint
    if endpoint is None:
        yield
        return
    from baleen_runtime.otlp import Otlp  # noqa: PLC0415 - half a second that only those pay who export

    shown = settings.otlp_headers.get_secret_value() if settings.otlp_headers else ""
    recorder = Otlp(service, endpoint, shown)
    try:
        with recorded_by(recorder):
            yield
    finally:
        await recorder.close()
