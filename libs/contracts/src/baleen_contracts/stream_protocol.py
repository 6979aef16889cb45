"""The native WebSocket protocol at ``/v1/stream``: every frame that a client or the gateway may say. Pure.

One JSON object with ``op`` per text frame, subprotocol ``baleen.v1``. Answers echo the ``id`` of the request.
"""

from importlib.resources import files
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from baleen_contracts.fields import Count, Utc

SUBPROTOCOL: Final = "baleen.v1"

Speaker = Literal["client", "gateway"]
_SPEAKERS: Final[dict[str, Speaker]] = {">": "client", "<": "gateway"}

FrameId = Annotated[str, Field(max_length=128)] | int
Topic = Annotated[str, Field(min_length=1, max_length=512, description="A public subject, * and > allowed")]
Topics = Annotated[tuple[Topic, ...], Field(min_length=1, max_length=1_000)]
Position = Annotated[
    str, Field(min_length=1, max_length=200, description="Opaque; the newest per stream is kept")
]


class Frame(BaseModel):
    """What all frames share: readers ignore what they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Request(Frame):
    """What a client says."""

    id: FrameId | None = Field(default=None, description="Echoed in the answer")


class Subscribe(Request):
    """Tell me of these topics, beginning with the present unless ``snapshot`` is false."""

    op: Literal["subscribe"]
    topics: Topics
    snapshot: bool = True


class Unsubscribe(Request):
    """Tell me no more of these topics."""

    op: Literal["unsubscribe"]
    topics: Topics


class Ping(Request):
    """Are you there?"""

    op: Literal["ping"]


class Welcome(Frame):
    """The first frame of a connection. ``simulated`` says that the data are made up."""

    op: Literal["welcome"]
    protocol: str
    time: Utc
    heartbeat_seconds: Annotated[
        float, Field(gt=0, le=3600, description="A longer silence means a dead line")
    ]
    max_topics: Count
    simulated: bool


class Subscribed(Frame):
    """The topics arrive from these positions on; a snapshot, if asked for, comes between here and its end."""

    op: Literal["subscribed"]
    id: FrameId | None = None
    topics: Topics
    at: tuple[Position, ...]


class Unsubscribed(Frame):
    """Nothing more of these topics follows."""

    op: Literal["unsubscribed"]
    id: FrameId | None = None
    topics: Topics


class Event(Frame):
    """A message of the bus. ``time`` is when it occurred, ``data`` the entity's body."""

    op: Literal["event"]
    topic: Topic
    at: Position
    time: Utc
    data: dict[str, JsonValue]
    snapshot: bool = False


class SnapshotEnd(Frame):
    """The snapshot of a subscription is complete."""

    op: Literal["snapshot_end"]
    id: FrameId | None = None
    count: Count


class Gap(Frame):
    """Messages of a topic between two positions are missing and will not come."""

    model_config = ConfigDict(populate_by_name=True)

    op: Literal["gap"]
    topic: Topic
    from_: Annotated[Position | None, Field(alias="from")] = None
    to: Position | None = None
    reason: Annotated[str, Field(min_length=1, max_length=64)]


class Heartbeat(Frame):
    """The gateway lives though nothing happens."""

    op: Literal["heartbeat"]
    time: Utc


class Pong(Frame):
    """The answer to a ping."""

    op: Literal["pong"]
    id: FrameId | None = None
    time: Utc


class Drain(Frame):
    """The gateway is leaving: come back after that many milliseconds."""

    op: Literal["drain"]
    reconnect_in_ms: Annotated[int, Field(ge=0, le=3_600_000)]


class Error(Frame):
    """A request was refused; ``code`` is for programs, ``message`` for people. The connection stays."""

    op: Literal["error"]
    id: FrameId | None = None
    code: Annotated[str, Field(min_length=1, max_length=64)]
    message: Annotated[str, Field(max_length=2_000)]


CLIENT_FRAMES: Final[tuple[type[Frame], ...]] = (Subscribe, Unsubscribe, Ping)
SERVER_FRAMES: Final[tuple[type[Frame], ...]] = (
    Welcome,
    Subscribed,
    Unsubscribed,
    Event,
    SnapshotEnd,
    Gap,
    Heartbeat,
    Pong,
    Drain,
    Error,
)

ClientFrame = Annotated[Subscribe | Unsubscribe | Ping, Field(discriminator="op")]
ServerFrame = Annotated[
    Welcome | Subscribed | Unsubscribed | Event | SnapshotEnd | Gap | Heartbeat | Pong | Drain | Error,
    Field(discriminator="op"),
]

CLIENT_FRAME: Final[TypeAdapter[ClientFrame]] = TypeAdapter(ClientFrame)
SERVER_FRAME: Final[TypeAdapter[ServerFrame]] = TypeAdapter(ServerFrame)


def transcript() -> list[tuple[Speaker, str]]:
    """A conversation, line by line: who speaks and the frame. Documents quote it, a test reads it."""
    text = files("baleen_contracts").joinpath("examples", "stream_protocol.txt").read_text(encoding="utf-8")
    return [(_SPEAKERS[line[0]], line[2:]) for line in text.splitlines()]
