"""Reading what pages of results carry compressed."""

import base64
import gzip
import re


def unpacked(html: str, identifier: str) -> str:
    """What a script of the page finds under the identifier."""
    found = re.search(rf'<script type="text/plain" id="{identifier}">([^<]*)</script>', html)
    assert found is not None
    return gzip.decompress(base64.b64decode(found[1])).decode()
