"""Google's Gemini API."""

import re

from warren_worker.dialects.gemini import Gemini as Dialect
from warren_worker.provider import Asked, Site

BASE_URL = "https://generativelanguage.googleapis.com"
VERSION = "v1beta"
_VERSIONED = re.compile(r"/v\d+(alpha|beta)?\d*$")


def versioned(base: str, version: str) -> str:
    """The base URL with this version of the API, unless it names one."""
    return base if _VERSIONED.search(base) else f"{base}/{version}"


class Gemini:
    def site(self, asked: Asked) -> Site:
        return Site(
            base_url=versioned(asked.base("GEMINI_API_BASE", default=BASE_URL), VERSION),
            model=asked.model.removeprefix("models/"),
            dialect=Dialect(asked.facts),
            headers={"x-goog-api-key": asked.key("GEMINI_API_KEY", "GOOGLE_API_KEY")},
        )


PROVIDER = Gemini()
