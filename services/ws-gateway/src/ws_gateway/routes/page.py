"""`/`: one page that shows what passes through the gateway. It needs nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

router = APIRouter()

_PAGE: Final = files("ws_gateway").joinpath("page.html").read_bytes()


def _sources(tag: bytes) -> str:
    """Return the CSP sources of every inline *tag* of the page: their digests, so that nothing else runs."""
    inline = re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), _PAGE, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(code).digest()).decode()}'" for code in inline)


_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_sources(b'script')}; style-src {_sources(b'style')}; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "ETag": f'"{hashlib.sha256(_PAGE).hexdigest()[:32]}"',
}


@router.get("/", include_in_schema=False)
async def page(request: Request) -> Response:
    """Return the page, or 304 to a browser that has it."""
    if request.headers.get("if-none-match") == _HEADERS["ETag"]:
        return Response(status_code=304, headers=_HEADERS)
    return Response(_PAGE, media_type="text/html; charset=utf-8", headers=_HEADERS)
