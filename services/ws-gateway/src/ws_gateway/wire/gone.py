"""What stands where a connection was that the web server gave away."""

from __future__ import annotations

import asyncio


class Gone(asyncio.Transport):
    """Stands where the given-away transport was, so that uvicorn's last words go nowhere."""

    def close(self) -> None:
        """Close nothing."""

    def is_closing(self) -> bool:
        """Return that nothing can be written here."""
        return True
