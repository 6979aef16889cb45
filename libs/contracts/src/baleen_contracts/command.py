"""Commands: asked with request/reply, never stored. Pure."""

from typing import Annotated, ClassVar, Final

from pydantic import ConfigDict, Field

from baleen_contracts.fields import Json, Label, known
from baleen_contracts.message import Contract
from baleen_contracts.tokens import token

RECONNECT_SUBJECT: Final = "command.v1.ingest.reconnect"
"""Where uw-ingest listens."""
GATEWAY_SUBJECTS: Final = "command.v1.gateway.*"
"""Where the workers of gateways listen to each other."""
SESSION_SUBJECTS: Final = "command.v1.session.*"
"""Where engines listen for orders to their sessions."""

_ACTIONS: Final = (
    "pause",
    "resume",
    "stop",
    "change_speed",
    "reconnect",
    "describe_client",
    "list_clients",
    "list_connections",
)


def gateway_subject(worker: str) -> str:
    """Where one worker of a gateway listens."""
    return f"{GATEWAY_SUBJECTS.removesuffix('*')}{token(worker)}"


def session_subject(session_id: str) -> str:
    """Where the engine of one session listens.

    Raises:
        ValueError: the id is empty or no Unicode text.
    """
    return f"{SESSION_SUBJECTS.removesuffix('*')}{token(session_id)}"


class CommandRequest(Contract):
    """What is to be done and who asks. Further fields are the action's own and are kept."""

    model_config = ConfigDict(extra="allow")

    entity: ClassVar[str] = "command"
    type: ClassVar[str] = "command.v1.request"

    action: Annotated[str, known(_ACTIONS)]
    client: Annotated[str, Field(max_length=200, description="Who asks, for logs and audits")] | None = None
    close_position: bool | None = None


class CommandReply(Contract):
    """Whether it was done; a refusal names a code for programs and a sentence for people."""

    entity: ClassVar[str] = "command_reply"
    type: ClassVar[str] = "command.v1.reply"

    ok: bool
    code: Label | None = None
    message: Annotated[str, Field(max_length=2_000)] | None = None
    data: Json | None = None
