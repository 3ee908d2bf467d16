"""Texts for people to read, without the parts of an address that may grant access."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"(\w{1,20}://)(?:[^\s/@'\"<>]*@)?([^\s?#'\"<>)\]]*)(?:[?#][^\s'\"<>)\]]*)?")


def without_signatures(text: str) -> str:
    """Remove the user, the query and the fragment from every address in a text: they may grant access.

    Example:
        >>> without_signatures("Not found: https://bucket.example.com/a.png?X-Amz-Signature=1f0c (404)")
        'Not found: https://bucket.example.com/a.png (404)'
    """
    return _ADDRESS.sub(r"\1\2", text)
