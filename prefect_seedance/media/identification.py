"""What the sources of a request are identified by: the SHA-256 of their content, and never where they lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial

from prefect_seedance.client.errors import InvalidRequest
from prefect_seedance.client.request.problems import Level, Problem
from prefect_seedance.client.request.sources import Source, UnusableSource, read_source
from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.journal.errors import JournalError
from prefect_seedance.journal.media_identity import shown_address
from prefect_seedance.media.context import Follower, MediaContext
from prefect_seedance.media.errors import UnusableReference
from prefect_seedance.media.finding import find_material
from prefect_seedance.media.material import Material
from prefect_seedance.redaction import hide
from prefect_seedance.storage.errors import StorageError
from prefect_seedance.storage.parallel import in_order

SOURCES_AT_ONCE = 8
_LONGEST_SHOWN = 200


def identify_sources(
    request: VideoRequest,
    context: MediaContext,
    follower: Follower,
    *,
    find: Callable[[Source], Material] | None = None,
) -> Mapping[str, str]:
    """Identify all local files and objects of a request by their content, some at once and each once. Blocking.

    Nothing is read for links and assets, whose text is their identity; a request with no other source costs nothing.

    Args:
        request: As the user asked it.
        context: See `find_material`.
        follower: May end it.
        find: Finds a source in place of `find_material`: once for many requests, for example.

    Returns:
        For each text of such a source, as written, its identity: ``sha256:`` and 64 hex digits, and for a last frame
        ``/last-frame`` after that of its video.

    Raises:
        InvalidRequest: Naming every source that cannot be used, and why.
        PreparationCancelled: The run was cancelled.
        StorageError, JournalError: A store did not work just now.
    """
    places = request.references()
    found: dict[str, Source | UnusableReference] = {text: _read(text) for _, text in places}
    sources = {
        text: source for text, source in found.items() if isinstance(source, Source) and source.kind in ("s3", "file")
    }
    identify = partial(_identify, find or (lambda source: find_material(source, context, follower)))
    with closing(in_order(sources.values(), identify, at_once=SOURCES_AT_ONCE, check=follower.check)) as identified:
        results = dict(zip(sources, identified, strict=True))
    follower.check()
    failures = {text: result for text, result in {**found, **results}.items() if isinstance(result, UnusableReference)}
    if failures:
        raise InvalidRequest([problem_of(place, text, failures[text]) for place, text in places if text in failures])
    for result in results.values():
        if isinstance(result, Exception):
            raise result
    return {text: result for text, result in results.items() if isinstance(result, str)}


def shown_source(text: str) -> str:
    """Show a source as the user wrote it, without what may grant access (`shown_address`), and cut to size.

    Example:
        >>> shown_source("photos/mug #1.png"), shown_source("https://example.com/mug.png?X-Amz-Signature=1f0c")
        ("'photos/mug #1.png'", "'https://example.com/mug.png'")
    """
    text = hide(shown_address(text))
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "...")


def worded(text: str, message: str) -> str:
    """Word what is wrong with a source, with its name before it unless the message begins with it.

    Example:
        >>> worded("/photos/mug.png", "it is empty"), worded("/photos/mug.png", "'/photos/mug.png' is empty")
        ("'/photos/mug.png': it is empty", "'/photos/mug.png' is empty")
    """
    name = shown_source(text)
    return message if message.startswith(name) else f"{name}: {message}"


def problem_of(place: str, text: str, error: UnusableReference, level: Level = "refuse") -> Problem:
    """Word what is wrong with a source as a problem of the place where it stands."""
    return Problem(place, error.rule, worded(text, error.message), error.fix, level)


def _read(text: str) -> Source | UnusableReference:
    try:
        return read_source(text)
    except UnusableSource as error:
        return UnusableReference("source", error.message, error.fix)


def _identify(find: Callable[[Source], Material], source: Source) -> str | Exception:
    try:
        return find(source).identity
    except (UnusableReference, StorageError, JournalError) as error:
        return error
