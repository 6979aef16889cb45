"""The native WebSocket protocol at ``/v1/stream``: every frame that a client or the gateway may say. Pure.

One JSON object with ``op`` per text frame, subprotocol ``baleen.v1``. Answers echo the ``id`` of the request.

A client that resumes keeps, for each of its subscriptions, the newest position of every stream: first those
of ``subscribed``, then that of each event whose topic is the subscription's. An event with ``snapshot`` moves
nothing, and the positions of a ``subscribed`` that a snapshot follows count once ``snapshot_end`` came: a
connection lost before is resumed without ``since``. What comes after ``snapshot_end`` is always newer.
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
    """Tell me of these topics, beginning with the present unless ``snapshot`` is false.

    With ``since`` the client is told everything after these positions instead; where a stream's position is
    not among them, or cannot be resumed from, it begins with the present.
    """

    op: Literal["subscribe"]
    topics: Topics
    snapshot: bool = True
    since: Annotated[tuple[Position, ...], Field(max_length=64)] = ()
    filter: Annotated[str, Field(min_length=1, max_length=1_000)] | None = Field(
        default=None, description="Only messages for which this holds, such as premium >= 100000"
    )


class Unsubscribe(Request):
    """Tell me no more of these topics."""

    op: Literal["unsubscribe"]
    topics: Topics


class Auth(Request):
    """Here is who I am: the first frame of a client that could not say it before, or a fresher token."""

    op: Literal["auth"]
    token: Annotated[str, Field(min_length=1, max_length=8_192)]


class Command(Request):
    """Do something: ``subject`` says who, such as ``command.v1.session.bt-7``, and ``action`` what."""

    op: Literal["command"]
    subject: Annotated[str, Field(min_length=1, max_length=512)]
    action: Annotated[str, Field(min_length=1, max_length=64)]
    data: dict[str, JsonValue] = Field(default_factory=dict, description="What else the receiver must know")


class Ping(Request):
    """Are you there?"""

    op: Literal["ping"]


class Welcome(Frame):
    """The first frame of a connection. ``simulated`` says that the data are made up.

    ``client`` names the connection to its operators. Where ``auth`` is true, nothing but ``auth`` is taken,
    and only for some seconds.
    """

    op: Literal["welcome"]
    protocol: str
    client: Annotated[str, Field(max_length=64)] | None = None
    auth: bool = False
    time: Utc
    heartbeat_seconds: Annotated[
        float, Field(gt=0, le=3600, description="A longer silence means a dead line")
    ]
    max_topics: Count
    simulated: bool


class Subscribed(Frame):
    """The topics arrive from these positions on.

    What was asked for of the present and the past comes between here and ``snapshot_end``. ``recovered``
    answers ``since``: true if every message after these positions follows, false if a gap says what does not,
    or a snapshot stands for some or all of it.
    """

    op: Literal["subscribed"]
    id: FrameId | None = None
    topics: Topics
    at: tuple[Position, ...]
    recovered: bool | None = None


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
    """All ``count`` messages of a subscription's present and past have been told; from here on it is live."""

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


class Conflated(Frame):
    """A slow client was spared ``count`` messages of a topic of which only the newest matters."""

    op: Literal["conflated"]
    topic: Topic
    count: Count


class Status(Frame):
    """Whether the gateway hears the bus: ``live``, or ``stale`` as long as nothing new can arrive."""

    op: Literal["status"]
    state: Annotated[str, Field(min_length=1, max_length=64)]
    reason: Annotated[str, Field(max_length=500)] | None = None
    time: Utc


class Authenticated(Frame):
    """The token was taken; it ends in so many milliseconds, or never."""

    op: Literal["authenticated"]
    id: FrameId | None = None
    expires_in_ms: Count | None = None


class TokenExpiring(Frame):
    """The token ends soon: say ``auth`` with a fresher one, or be closed then."""

    op: Literal["token_expiring"]
    in_ms: Count


class CommandAck(Frame):
    """What became of a command. ``code`` is for programs, ``message`` for people."""

    op: Literal["command_ack"]
    id: FrameId | None = None
    ok: bool
    code: Annotated[str, Field(max_length=64)] | None = None
    message: Annotated[str, Field(max_length=2_000)] | None = None
    data: dict[str, JsonValue] | None = None


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


CLIENT_FRAMES: Final[tuple[type[Frame], ...]] = (Subscribe, Unsubscribe, Auth, Command, Ping)
SERVER_FRAMES: Final[tuple[type[Frame], ...]] = (
    Welcome,
    Authenticated,
    TokenExpiring,
    Subscribed,
    Unsubscribed,
    Event,
    SnapshotEnd,
    Gap,
    Conflated,
    Status,
    CommandAck,
    Heartbeat,
    Pong,
    Drain,
    Error,
)

ClientFrame = Annotated[Subscribe | Unsubscribe | Auth | Command | Ping, Field(discriminator="op")]
ServerFrame = Annotated[
    Welcome
    | Authenticated
    | TokenExpiring
    | Subscribed
    | Unsubscribed
    | Event
    | SnapshotEnd
    | Gap
    | Conflated
    | Status
    | CommandAck
    | Heartbeat
    | Pong
    | Drain
    | Error,
    Field(discriminator="op"),
]

CLIENT_FRAME: Final[TypeAdapter[ClientFrame]] = TypeAdapter(ClientFrame)
SERVER_FRAME: Final[TypeAdapter[ServerFrame]] = TypeAdapter(ServerFrame)


def transcript() -> list[tuple[Speaker, str]]:
    """A conversation, line by line: who speaks and the frame. Documents quote it, a test reads it."""
    text = files("baleen_contracts").joinpath("examples", "stream_protocol.txt").read_text(encoding="utf-8")
    return [(_SPEAKERS[line[0]], line[2:]) for line in text.splitlines()]
