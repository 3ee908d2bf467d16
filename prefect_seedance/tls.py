"""The one TLS context of a process: the certificates that are trusted, loaded once.

Loading them takes some 25 ms of CPU, and clients are made often. httpx takes a context that is handed to it as it is,
so clients of the vendor and of media hosts share this one.
"""

from __future__ import annotations

import os
import ssl
import threading

import httpx

from prefect_seedance.network import UnusableEnvironment, check_certificates

# Not functools.cache: two threads that ask at the same time would both build one.
_lock = threading.Lock()
_context: ssl.SSLContext | None = None


def tls_context() -> ssl.SSLContext:
    """Return the context of this process, and build it when it is first asked for.

    It trusts what ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` names at that moment, otherwise the certificates that httpx
    brings.

    Raises:
        UnusableEnvironment: What they name cannot be read.
    """
    global _context
    with _lock:
        if _context is None:
            check_certificates("SSL_CERT_FILE", "SSL_CERT_DIR")
            try:
                _context = httpx.create_ssl_context()
            except (OSError, ssl.SSLError) as error:
                raise UnusableEnvironment(
                    "SSL_CERT_FILE",
                    "names a file that holds no certificates.",
                    "Correct it, or remove it to trust the usual certificates.",
                ) from error
        return _context


def _unlock_in_child() -> None:
    """Replace the lock in a forked child: the thread that held it does not exist there. The context may stay."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_in_child)
