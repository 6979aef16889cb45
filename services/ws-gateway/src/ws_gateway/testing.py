"""A real gateway process for tests: a free port, ready when it is handed over, gone when the test is."""

from __future__ import annotations

from typing import Self

from baleen_runtime.testing import ServiceProcess


class GatewayProcess(ServiceProcess):
    """`python -m ws_gateway` on 127.0.0.1; it lives as long as the `with` block.

    Args:
        nats_url: the bus it hears.
        variables: further environment variables, such as `WS_GATEWAY_NEWEST_KEPT="100"`.
    """

    def __init__(self, nats_url: str, **variables: str) -> None:
        several = variables.get("WS_GATEWAY_WORKERS", "1") != "1"
        super().__init__(
            "ws_gateway",
            {"BALEEN_NATS_URL": nats_url, "WS_GATEWAY_PORT": "0", **variables},
            listens="all workers listen" if several else "listening",
        )

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self
