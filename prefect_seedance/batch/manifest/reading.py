"""The way into a batch: a manifest, or a list of requests, as rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from prefect_seedance.batch.errors import UnusableManifest
from prefect_seedance.batch.manifest.columns import Columns
from prefect_seedance.batch.manifest.limits import MOST_COLUMNS, MOST_ROWS
from prefect_seedance.batch.manifest.origin import Origin, fetch
from prefect_seedance.batch.manifest.row_check import rows_of, takes_of
from prefect_seedance.batch.manifest.tables.kinds import open_table
from prefect_seedance.batch.manifest.unreadable import Unreadable
from prefect_seedance.batch.rows import Manifest, Row
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.redaction import shown_json, without_signatures

_LIST = "(a list of requests)"
#: How many rows are checked before it is looked whether the run is cancelled.
_ROWS_AT_ONCE = 200


def read_manifest(
    location: str, context: MediaContext, follower: Follower, *, takes: int = 1, encoding: str = "", sheet: str = ""
) -> Manifest:
    """Read a manifest: a table of requests, one in each row. Blocking, and free.

    A row with problems is one of its rows, without a request and with all of its problems.

    Args:
        location: A whole path, ``file://``, ``s3://bucket/key`` or an https link, which may be signed.
        context: Its store's credentials read ``s3://``, and its policy says where links may lead.
        follower: Whose cancellation ends the reading.
        takes: How many videos of each row that does not say so itself.
        encoding: Of a CSV or JSON file; found out if empty.
        sheet: Of an Excel workbook; the first that is not hidden if empty.

    Raises:
        UnusableManifest: It cannot be read as a whole.
        PreparationCancelled: The run was cancelled.

    Example:
        >>> manifest = read_manifest("s3://shop/spring.csv", context, follower)   # doctest: +SKIP
    """
    origin = fetch(location, context, follower)
    try:
        return _read(origin, follower, takes, encoding, sheet)
    except Unreadable as error:
        raise UnusableManifest(origin.shown, error.reason, error.fix) from error.__cause__


def manifest_of(requests: Sequence[VideoRequest], *, takes: int = 1) -> Manifest:
    """Return a list of requests as a manifest. Its content has no signatures of links.

    Args:
        requests: In their order; the first is row 1.
        takes: How many videos of each request that does not ask for another take than the first.

    Raises:
        UnusableManifest: There are none, or too many.

    Example:
        >>> [row.request.take for row in manifest_of([VideoRequest(prompt="A paper boat")], takes=2).rows]
        ['1', '2']
    """
    if not requests:
        raise UnusableManifest(_LIST, "it is empty", "Pass at least one request")
    rows: list[Row] = []
    for number, request in enumerate(requests, start=1):
        rows += takes_of(Row(number, "", request), takes)
        if len(rows) > MOST_ROWS:
            raise UnusableManifest(_LIST, *_too_many())
    listed = [shown_json(request.model_dump(mode="json"), _kept) for request in requests]
    content = json.dumps(listed, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
    return Manifest(tuple(rows), _LIST, hashlib.sha256(content).hexdigest(), content, ".json")


def _read(origin: Origin, follower: Follower, takes: int, encoding: str, sheet: str) -> Manifest:
    follower.check()
    opened = open_table(origin.content, origin.suffix, encoding, sheet)
    columns, rows = Columns(), list[Row]()
    for header in opened.table.headers:
        columns.resolve(header)
    if opened.table.headers:
        _check_columns(columns)
    for number, record in enumerate(opened.table.records):
        if number % _ROWS_AT_ONCE == 0:
            follower.check()
        rows += rows_of(record, columns, origin, takes)
        if len(rows) > MOST_ROWS:
            raise Unreadable(*_too_many())
        if columns.count > MOST_COLUMNS:
            raise Unreadable(
                f"its rows have more than {MOST_COLUMNS:,} different names", "Leave out columns that are not fields"
            )
    if not rows:
        raise Unreadable("there is no row below its header", "Write a row for each video")
    if all(row.request is None for row in rows):
        _check_columns(columns)
    notices = (*opened.notices, *opened.table.notices, *columns.notices())
    sha256 = hashlib.sha256(origin.content).hexdigest()
    return Manifest(tuple(rows), origin.shown, sha256, origin.content, opened.suffix, notices)


def _check_columns(columns: Columns) -> None:
    if columns.has_prompt:
        return
    if columns.joined:
        fix = (
            "Its columns are not separated: write commas, semicolons or tabs between them, and put no quotation "
            "marks around whole lines"
        )
    elif columns.like_prompt:
        fix = f"Rename {columns.like_prompt} to prompt"
    else:
        fix = 'Write the names of the columns into the first row, and name the column of the prompts "prompt"'
    has = f"; it has {columns.listed}" if columns.count else ""
    raise Unreadable(f"it has no column for the prompt{has}", fix)


def _too_many() -> tuple[str, str]:
    return (
        f"it asks for more than {MOST_ROWS:,} videos, counting takes, which is the most that is read",
        "Write it as several manifests",
    )


def _kept(text: str) -> str:
    return without_signatures(text) if "://" in text else text
