"""Texts for people, without what opens an address."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"(\w{1,20}://)(?:[^\s/@'\"<>]*@)?([^\s?#'\"<>)\]]*)(?:[?#][^\s'\"<>)\]]*)?")


def without_signatures(text: str) -> str:
    """Take the user, the query and the fragment out of every address in a text: they may be what opens it.

    Example:
        >>> without_signatures("Not found: https://bucket.example.com/a.png?X-Amz-Signature=1f0c (404)")
        'Not found: https://bucket.example.com/a.png (404)'
    """
    return _ADDRESS.sub(r"\1\2", text)
