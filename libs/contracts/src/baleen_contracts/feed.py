"""What uw-ingest says about its own feeds: how each stands, and what was lost. Pure."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from baleen_contracts.fields import Count, Label, Utc, known
from baleen_contracts.message import Message, digest, micros
from baleen_contracts.tokens import name_token


class FeedState(StrEnum):
    """How a feed stands.

    ``quiet`` is silence that is expected (the market is closed, nothing happens), ``stale`` silence that is
    not, ``disabled`` a feed that the settings leave out, ``refused`` a wish (the feed is then the wished
    topic) that cannot be served; the detail says why and what to do.
    """

    LIVE = "live"
    QUIET = "quiet"
    STALE = "stale"
    NOT_ENTITLED = "not_entitled"
    RECONNECTING = "reconnecting"
    BACKFILLING = "backfilling"
    DISABLED = "disabled"
    REFUSED = "refused"


class GapReason(StrEnum):
    """Why messages of a feed are missing.

    ``backfilled`` takes an earlier gap back: what was missing between these two times has come after all.
    """

    RECONNECTED = "reconnected"
    RESTARTED = "restarted"
    OVERFLOW = "overflow"
    REFUSED = "refused"
    BACKFILLED = "backfilled"


class FeedStatus(Message):
    """How a feed stands since ``since``. ``occurred_at`` is when that was judged."""

    entity: ClassVar[str] = "feed_status"
    type: ClassVar[str] = "feed.v1.status"

    feed: Label
    state: Annotated[str, known(FeedState)]
    since: Utc | None = None
    detail: Annotated[str, Field(max_length=1_000)] | None = None
    last_message_at: Utc | None = None
    messages: Count | None = None
    simulated: bool | None = None

    @property
    def subject(self) -> str:
        """One subject per feed."""
        return "feed.v1.status." + name_token(self.feed)

    @property
    def identity(self) -> str:
        """Feed, time and state."""
        return f"{name_token(self.feed)}|{micros(self.occurred_at)}|{digest(self.state, self.detail)}"


class FeedGap(Message):
    """Messages of a feed between two times are missing; a later one may say that they were backfilled.

    ``before_id`` and ``after_id`` are the ids (``ce-id``) of the last message before and of the first after,
    where they are known.
    """

    entity: ClassVar[str] = "feed_gap"
    type: ClassVar[str] = "feed.v1.gap"

    feed: Label
    started_at: Utc
    ended_at: Utc
    reason: Annotated[str, known(GapReason)]
    lost: Count | None = None
    detail: Annotated[str, Field(max_length=1_000)] | None = None
    before_id: Annotated[str, Field(max_length=500)] | None = None
    after_id: Annotated[str, Field(max_length=500)] | None = None

    @property
    def subject(self) -> str:
        """One subject per feed."""
        return "feed.v1.gap." + name_token(self.feed)

    @property
    def identity(self) -> str:
        """Feed, both ends, reason and detail: two channels of one feed may miss the same span."""
        ends = f"{micros(self.started_at)}|{micros(self.ended_at)}"
        return f"{name_token(self.feed)}|{ends}|{digest(self.reason, self.detail)}"
