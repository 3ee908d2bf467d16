"""One client of Prefect's API for a run, which trusts the certificates that this process has loaded already."""

from __future__ import annotations

import os
from typing import Any

from prefect.context import AsyncClientContext
from prefect.settings import get_current_settings


class RunClientContext(AsyncClientContext):
    """Prefect's own client context, without the 20 ms of CPU that each new client of Prefect's takes for certificates.

    Within a run that has a client already, ``get_or_create`` returns that one.
    """

    def __init__(self) -> None:
        settings = shared_tls()
        super().__init__(httpx_settings=settings)
        if settings:
            # Prefect hands a context's client to whoever asks for the same settings, and its own code asks for none.
            self._httpx_settings = None


def shared_tls() -> dict[str, Any] | None:
    """Return the TLS context of this process where it trusts what Prefect would trust, otherwise nothing."""
    api = get_current_settings().api
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    trusted_as_here = api.ssl_cert_file == file and (bool(file) or not folder)
    # HTTP/2 is negotiated by a mark on the context, which the other clients of this process would set back.
    if api.tls_insecure_skip_verify or api.enable_http2 or not trusted_as_here:
        return None
    from prefect_seedance.tls import tls_context

    return {"verify": tls_context()}
