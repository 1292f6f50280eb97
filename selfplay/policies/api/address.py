"""Where a model is: ``MODEL`` or ``MODEL@URL``, and the environment variable with its key.

The key of one company is never sent to another: ``OPENAI_API_KEY`` goes to api.openai.com alone, ``SELFPLAY_API_KEY``
to any other address, unless the recipe names a variable itself. Addresses are written into logs, so they hold no
secrets.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from selfplay.errors import UsageError

OPENAI_URL = "https://api.openai.com/v1"
_FORM = "openai:MODEL or openai:MODEL@URL, for example openai:qwen3@http://localhost:8000/v1"


@dataclass(frozen=True, slots=True)
class Address:
    """A model at an endpoint."""

    model: str
    url: str
    key_env: str
    """Environment variable that holds the key."""

    @property
    def is_openai(self) -> bool:
        return self.url == OPENAI_URL

    def key(self) -> str:
        """The key, or an empty string; read when it is needed and kept nowhere else.

        Raises:
            UsageError: there is none, and the address does nothing without.
        """
        key = os.environ.get(self.key_env, "").strip()
        if not key and self.is_openai:
            raise UsageError(
                f"openai:{self.model} needs a key: the environment variable {self.key_env} is not set\n"
                f"  export {self.key_env}=...   or name a server that needs none: openai:{self.model}@URL"
            )
        return key

    def __str__(self) -> str:
        return f"openai:{self.model}" + ("" if self.is_openai else f"@{self.url}")


def parse_address(text: str, key_env: str = "") -> Address:
    """``MODEL`` or ``MODEL@URL``; models may have ``@`` and ``:`` in their names.

    Raises:
        UsageError: no model, no proper URL, or a secret in it.
    """
    found = re.fullmatch(r"(.+?)(?:@(https?://.*))?", text, re.DOTALL)
    if found is None or text.startswith("@"):
        raise UsageError(f"player openai:{text} names no model\n  expected {_FORM}")
    model, url = found[1], (found[2] or OPENAI_URL).rstrip("/")
    if re.search(r"@(localhost|[\w.-]+:\d+)(/|$)", model):
        raise UsageError(f"player openai:{text}: a URL begins with http:// or https://\n  expected {_FORM}")
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, sound = urlsplit(""), False
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"player openai:{model}: the URL may hold neither a password nor a query, because it is written into logs\n"
            "  the key belongs into an environment variable: docs/players.md"
        )
    if not sound:
        raise UsageError(f"player openai:{text}: {url!r} is no URL\n  expected {_FORM}")
    return Address(model, url, key_env or ("OPENAI_API_KEY" if url == OPENAI_URL else "SELFPLAY_API_KEY"))
