"""The HTML around the data, and what every page of YouTube's tells its scripts."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from tests.collect.youtube.site.wire import Reply, Request

Json = dict[str, Any]
API_KEY = "AIzaFakeInnertubeKeyOfTheTests000000000"
CLIENT_VERSION = "2.20261118.01.00"
VISITOR_DATA = "CgtGYWtlVmlzaXRvcijMgYTJBjIKCgJVUxIEGgAgSQ%3D%3D"


def script_json(content: object) -> str:
    """Return JSON that may stand inside a script element, on one line, escaped as YouTube does."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def ytcfg(request: Request) -> Json:
    """Return the configuration of a page: key, context, visitor, session."""
    signed_in = request.signed_in
    client = {
        "hl": "en",
        "gl": "US",
        "visitorData": VISITOR_DATA,
        "userAgent": request.headers.get("user-agent", ""),
        "clientName": "WEB",
        "clientVersion": CLIENT_VERSION,
    }
    return {
        "DATASYNC_ID": "104000000000000000000||" if signed_in else "V00fake00||",
        "INNERTUBE_API_KEY": API_KEY,
        "INNERTUBE_CLIENT_VERSION": CLIENT_VERSION,
        "INNERTUBE_CONTEXT": {"client": client},
        "INNERTUBE_CONTEXT_CLIENT_NAME": 1,
        "INNERTUBE_CONTEXT_CLIENT_VERSION": CLIENT_VERSION,
        "LOGGED_IN": signed_in,
        "VISITOR_DATA": VISITOR_DATA,
        **({"SESSION_INDEX": "0", "ID_TOKEN": "fake-identity-token"} if signed_in else {}),
    }


def page(title: str, request: Request, *, scripts: list[str], body: str = "", head: str = "") -> Reply:
    """Return a page: its configuration in the head, its data in scripts of their own."""
    data = "".join(f'<script nonce="fake">{script}</script>' for script in scripts)
    html = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>{head}'
        '<script nonce="fake">ytcfg={set:function(c){window.yt=c}};</script>'
        f'<script nonce="fake">ytcfg.set({script_json(ytcfg(request))}); '
        f"window.ytcfg.obfuscatedData_ = [];</script></head><body>{data}{body}</body></html>"
    )
    return Reply(html.encode())
