"""The errors of uw-ingest, and what becomes of each.

    IngestError
    ├── Refused            drop: one frame or row, with a reason from the closed list
    ├── ConnectFailed      retry: the socket could not be opened; backoff decides when
    │   └── NotEntitled    retry rarely: the token has no right to the socket; REST goes on
    └── RestFailed         retry: one REST call failed; the next poll asks again
        ├── RestRefused    the token may not ask this; a substitute may be asked instead
        ├── RestLimited    retry after the given seconds: the budget is used up
        └── QuotaTaken     stop asking: another replica spends the budget now

None of them carries a URL, a header or a body that could hold the token.
"""

from uw_ingest.refusals import Refusal


class IngestError(Exception):
    """Anything uw-ingest raises on purpose."""


class Refused(IngestError):  # noqa: N818 - reads as a sentence where it is raised
    """One frame or row cannot become a message. Fate: counted by reason and dropped."""

    def __init__(self, reason: Refusal) -> None:
        """Remember the reason, which is also the whole text."""
        super().__init__(reason.value)
        self.reason = reason


class ConnectFailed(IngestError):  # noqa: N818 - as above
    """The upstream socket could not be opened. Fate: tried again after the backoff's delay."""


class NotEntitled(ConnectFailed):
    """Upstream refuses sockets to this token. Fate: asked again rarely; REST goes on."""


class RestFailed(IngestError):  # noqa: N818 - as above
    """A REST call gave no usable answer. Fate: the next poll asks again."""


class RestRefused(RestFailed):
    """The token may not use this endpoint (401, 403, 404, 422). Fate: a substitute is asked, if any."""


class RestLimited(RestFailed):
    """The REST budget is used up. Fate: asked again after ``seconds``."""

    def __init__(self, kind: str, seconds: float) -> None:
        """Remember which of the three limits was hit and how long it lasts."""
        super().__init__(f"REST limit reached: {kind}")
        self.kind = kind
        self.seconds = seconds


class QuotaTaken(RestFailed):
    """Another replica spends the budget now. Fate: all asking stops until the lease is ours again."""
