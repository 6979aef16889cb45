"""How it travels: connection, streams, publish, and follow without gaps."""

from baleen_bus.acks import Stored
from baleen_bus.connection import Bus, open_bus
from baleen_bus.errors import (
    AccessRefused,
    ApiRefused,
    BusClosed,
    BusError,
    BusStopped,
    Conflict,
    DropReason,
    OutboxFull,
    PublishRefused,
    ServerTooOld,
    Unreachable,
    WishReason,
    WishRefused,
)
from baleen_bus.follower import Follower
from baleen_bus.kv import Bucket, BucketState
from baleen_bus.kv_entry import Entry, key_token, key_untoken
from baleen_bus.lease import Grant, LeaseTimes, times_for
from baleen_bus.lease_value import Before
from baleen_bus.lease_view import LeaseView, Seen
from baleen_bus.leases import LeaseKeeper, LeaseStats
from baleen_bus.one_call import close_default, publish, publish_sync
from baleen_bus.publisher import Publisher
from baleen_bus.publisher_stats import PublisherStats
from baleen_bus.reading import Delivered, fetch_chunk, fetch_last, fetch_newest, stream_epoch
from baleen_bus.sequence import GapReason
from baleen_bus.sessions import announce_session, read_session
from baleen_bus.starts import FollowerStats, FromSequence, Gap, LastPerSubject, Live, Start
from baleen_bus.wish import Wish
from baleen_bus.wishing import Wishing, demand, read_wish, read_wishes

__all__ = [
    "AccessRefused",
    "ApiRefused",
    "Before",
    "Bucket",
    "BucketState",
    "Bus",
    "BusClosed",
    "BusError",
    "BusStopped",
    "Conflict",
    "Delivered",
    "DropReason",
    "Entry",
    "Follower",
    "FollowerStats",
    "FromSequence",
    "Gap",
    "GapReason",
    "Grant",
    "LastPerSubject",
    "LeaseKeeper",
    "LeaseStats",
    "LeaseTimes",
    "LeaseView",
    "Live",
    "OutboxFull",
    "PublishRefused",
    "Publisher",
    "PublisherStats",
    "Seen",
    "ServerTooOld",
    "Start",
    "Stored",
    "Unreachable",
    "Wish",
    "WishReason",
    "WishRefused",
    "Wishing",
    "announce_session",
    "close_default",
    "demand",
    "fetch_chunk",
    "fetch_last",
    "fetch_newest",
    "key_token",
    "key_untoken",
    "open_bus",
    "publish",
    "publish_sync",
    "read_session",
    "read_wish",
    "read_wishes",
    "stream_epoch",
    "times_for",
]
