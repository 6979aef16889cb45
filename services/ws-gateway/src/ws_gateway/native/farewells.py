"""With which code and words clients of our own protocols are let go. Pure."""

from __future__ import annotations

from typing import Final

from baleen_contracts.close_codes import code_of
from ws_gateway.errors import Farewell

FAREWELLS: Final = {
    Farewell.FAILED: (code_of("internal_error", native=True), "the gateway failed at this connection"),
    Farewell.TOO_SLOW: (code_of("too_slow", native=True), "you read too slowly"),
    Farewell.BUSY: (code_of("busy", native=True), "the gateway is full"),
    Farewell.LEAVING: (code_of("leaving", native=True), "the gateway restarts"),
    Farewell.SILENT: (code_of("no_pong", native=True), "no answer to our pings"),
    Farewell.ORIGIN: (code_of("forbidden", native=True), "this origin is not allowed"),
    Farewell.TOO_OFTEN: (code_of("too_many_messages", native=True), "you say too much"),
    Farewell.UNAUTHENTICATED: (code_of("unauthenticated", native=True), "no token was handed in"),
    Farewell.EXPIRED: (code_of("unauthenticated", native=True), "the token has expired"),
    Farewell.FORBIDDEN: (code_of("forbidden", native=True), "the token does not allow this"),
    Farewell.CROWDED: (
        code_of("too_many_connections", native=True),
        "as many connections as one address or one subject may have",
    ),
    Farewell.KEYLESS: (code_of("busy", native=True), "tokens cannot be checked at the moment"),
}
