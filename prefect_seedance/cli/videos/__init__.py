"""Stored videos on the command line: ``download`` and ``open``.

- `finding`: which video a person means.
- `download`: saving it as a file.
- `opening`: watching it, or where it is.
"""
