"""The spans of an alert's way: heard over HTTP, stored, and said at each destination.

Their attributes are names and numbers that operators know from elsewhere; no span holds what an alert says,
an address or a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from alert_bridge.destinations.destination import Delivered, Later, Verdict
from baleen_contracts.alert import Alert
from baleen_runtime import tracing
from baleen_runtime.tracing import Kind, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from alert_bridge.deliver.queue import Item

_MOST_TOGETHER: Final = 25
"""Alerts of one message that have a span each; of a longer digest only the first."""


def hearing(method: str, route: str, traceparent: str | None) -> AbstractContextManager[Span]:
    """A request is heard and answered; *route* is the path with names in the place of ids and tokens."""
    return tracing.span(
        f"{method} {route}",
        Kind.SERVER,
        after=traceparent,
        http__request__method=method,
        http__route=route,
    )


def answered(span: Span, status: int) -> None:
    """The request has this answer."""
    span.note(http__response__status_code=status)
    if status >= 500:  # noqa: PLR2004 - a sender's mistake is no failure of ours
        span.fail(str(status))


def storing(alert: Alert) -> AbstractContextManager[Span]:
    """*alert* is put on the bus, or in the spool."""
    return tracing.span(
        "store alert",
        Kind.PRODUCER,
        after=tracing.current.get(),
        messaging__system="nats",
        messaging__message__id=alert.message_id,
        baleen__alert__type=alert.alert_type,
        baleen__alert__symbol=alert.symbol,
        baleen__alert__source=alert.source,
    )


@contextmanager
def delivering(destination: str, items: Sequence[Item]) -> Iterator[Callable[[Verdict], None]]:
    """One message to *destination*, which says *items*; what comes is called with its answer.

    Each alert's own trace goes on; the first one's is that of the request.
    """
    with ExitStack() as stack:
        spans = [
            stack.enter_context(
                tracing.span(
                    "deliver alert",
                    Kind.CLIENT,
                    after=item.carried.traceparent,
                    baleen__destination=destination,
                    baleen__alert__seq=item.carried.seq,
                    baleen__alert__replays=item.carried.replays or None,
                    baleen__attempt=item.attempts,
                    baleen__alerts_in_message=len(items),
                )
            )
            for item in reversed(items[:_MOST_TOGETHER] if tracing.recording() else items[:1])
        ]

        def answer(verdict: Verdict) -> None:
            for span in spans:
                _tell(span, verdict)

        yield answer


def _tell(span: Span, verdict: Verdict) -> None:
    outcome = type(verdict).__name__.lower()
    later = verdict if isinstance(verdict, Later) else None
    span.note(
        baleen__outcome=outcome,
        baleen__reason=str(later.why) if later else None,
        http__response__status_code=verdict.status,
    )
    if not isinstance(verdict, Delivered) and (later is None or later.failed):
        span.fail(str(later.why) if later else outcome)
