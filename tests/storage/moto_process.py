"""A stand-in for S3 as a process of its own: moto's server, but one request at a time.

Run as `python moto_process.py`. It prints its port, and ends when its standard input is closed. moto itself looks
first and writes then, so that of two writers at once both may succeed; S3's conditional writes are atomic.
Listings come in pages of seven.

What only a test can do has paths that no bucket can have: `POST /-/age` makes an object older, `/-/refuse` answers
some methods below a path with an error, `/-/allow` no longer.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

REFUSALS = {"403": "AccessDenied", "404": "NoSuchKey", "503": "SlowDown"}
NO_SUCH_UPLOAD = b"<Error><Code>NoSuchUpload</Code><Message>The upload does not exist.</Message></Error>"


class OneAtATime:
    """The application behind a lock. What a client sends slowly is waited for outside of it."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.lock = threading.Lock()
        #: The beginning of a path and a method, and the status that it is refused with.
        self.refused: dict[tuple[str, str], str] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        if len(body) < length:  # the client is gone
            start_response("400 Bad Request", [])
            return []
        environ["wsgi.input"] = io.BytesIO(body)
        with self.lock:
            path, method = str(environ["PATH_INFO"]), str(environ["REQUEST_METHOD"])
            if path.startswith("/-/"):
                self.control(path, **{name: value for name, (value,) in parse_qs(environ["QUERY_STRING"]).items()})
                start_response("204 No Content", [])
                return []
            for (below, refused), status in self.refused.items():
                if path.startswith(below) and method == refused:
                    start_response(f"{status} Refused", [("Content-Type", "application/xml")])
                    return [f"<Error><Code>{REFUSALS[status]}</Code></Error>".encode()]
            try:
                return list(self.application(environ, start_response))
            except KeyError:  # moto fails where S3 says that the upload is not there (any more)
                if "uploadId=" not in environ["QUERY_STRING"]:
                    raise
        start_response("404 Not Found", [("Content-Type", "application/xml")])
        return [NO_SUCH_UPLOAD]

    def control(self, control: str, *, path: str, seconds: str = "0", **statuses: str) -> None:
        """Do what a path beside S3's asks for."""
        refused = {(path, method): status for method, status in statuses.items()}
        if control == "/-/refuse":
            self.refused |= refused
        elif control == "/-/allow":
            for each in refused:
                del self.refused[each]
        else:
            _, bucket, key = path.split("/", 2)
            found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[bucket].keys.get(key)
            if found is not None:
                found.last_modified -= timedelta(seconds=float(seconds))


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # as S3; werkzeug ends the connection after each answer all the same

    def log(self, type: str, message: str, *args: Any) -> None:
        """Be quiet."""


def main() -> None:
    os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = "7"
    application = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]
    print(server.port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
