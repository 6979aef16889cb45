"""The spans of commands: asked by a client, carried over the bus, answered by an engine or by uw-ingest."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from baleen_runtime import tracing
from baleen_runtime.tracing import Kind, Span

if TYPE_CHECKING:
    from baleen_contracts.command import CommandReply


def hearing(route: str, traceparent: str | None) -> AbstractContextManager[Span]:
    """A request over HTTP, which may bring a trace along."""
    return tracing.span(
        f"POST {route}", Kind.SERVER, after=traceparent, http__request__method="POST", http__route=route
    )


def asking(subject: str, action: str) -> AbstractContextManager[Span]:
    """A command goes out on *subject*; who answers it may continue the trace."""
    return tracing.span(
        "ask command",
        Kind.CLIENT,
        after=tracing.current.get(),
        messaging__system="nats",
        messaging__destination__name=subject,
        baleen__command__action=action,
    )


def answered(span: Span, reply: CommandReply) -> None:
    """The command has this answer; a refusal is named by its code."""
    span.note(baleen__outcome="done" if reply.ok else "refused", baleen__reason=reply.code)
    if not reply.ok:
        span.fail(reply.code or "refused")
