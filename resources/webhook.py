"""Posts JSON to an address of the user's own: signed, never redirected, and never an exception on account of the receiver.

With a secret, `X-SRP-Signature` is `sha256=` and the HMAC-SHA256 of the body in hexadecimal (RFC 2104). Whoever listens recognises a
repetition by `X-SRP-Delivery`. The address may hold a password, so problems name its host alone.
"""

import hashlib
import hmac
from base64 import b64encode
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import SecretStr

ANSWER_SECONDS = 5.0
"""How long an answer is waited for; a receiver that works longer should answer first."""


class _NoRedirects(HTTPRedirectHandler):
    """A redirected POST would arrive as a GET, or carry what is told to a host that nobody named."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        """None: the redirection is an error like any other."""


def post(address: SecretStr, secret: SecretStr | None, body: bytes, delivery: str, *, answer_seconds: float = ANSWER_SECONDS) -> str | None:
    """Posts JSON; returns what went wrong, or None if the receiver took it (2xx).

    Args:
        address: http or https, with user and password if the receiver wants them.
        secret: that signs the body.
        body: the JSON.
        delivery: identity of what is told.
        answer_seconds: how long an answer is waited for.
    """
    url, password = _without_password(address.get_secret_value())
    headers = {"Content-Type": "application/json", "User-Agent": "srp", "X-SRP-Delivery": delivery}
    if password is not None:
        headers["Authorization"] = password
    if secret is not None:
        headers["X-SRP-Signature"] = "sha256=" + hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
    host = urlsplit(url).hostname
    try:
        with build_opener(_NoRedirects).open(Request(url, data=body, headers=headers, method="POST"), timeout=answer_seconds) as answer:
            # Opened answers are 2xx; what it says is of no interest.
            answer.read(1)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
        code = getattr(error, "code", None)
        return f"{host}: {f'{code} ' if code else ''}{reason}"
    return None


def _without_password(url: str) -> tuple[str, str | None]:
    """The address as it is asked for, and the header that its user and password make (RFC 7617)."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, None
    host = parts.netloc.rpartition("@")[2]
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return urlunsplit(parts._replace(netloc=host)), "Basic " + b64encode(pair).decode()
