"""What runs are called: two takes of one request are told apart, before a page cuts the name at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from prefect_seedance.client.request.video_request import VideoRequest
from prefect_seedance.plain_text import cut, one_line

_LONGEST_TAKE = 20
_LONGEST_MANIFEST = 60


def take_words(take: str) -> str:
    r"""Return what a name says of a take; nothing of the first, which most requests are.

    Example:
        >>> take_words("1"), take_words("2"), take_words("summer\ncampaign of the year")
        ('', ' take 2', ' take summer campaign of…')
    """
    return "" if take == "1" else f" take {cut(one_line(take), _LONGEST_TAKE)}"


def step_name(step: str) -> Callable[[], str]:
    """Return what names the runs of a task after its request: ``create-video: seedance2.0-mini take 2``."""

    def name(parameters: dict[str, object]) -> str:
        request = parameters.get("request")
        if not isinstance(request, VideoRequest):
            return step
        return f"{step}: {request.model_name}{take_words(request.take)}"

    return cast("Callable[[], str]", name)  # Prefect hands the parameters to whatever takes them


def manifest_words(parameters: Mapping[str, object]) -> str:
    """Return what the name of a batch's run says of its parameters: its manifest, without a signature, and its part.

    Example:
        >>> manifest_words({"manifest": "https://shop.example.com/spring.csv?sig=1f0c"})
        'spring.csv'
        >>> manifest_words({"manifest": "", "requests": [{"prompt": "A paper boat"}]})
        '1 request'
    """
    from prefect_seedance.batch.options import BatchOptions  # only the run of a batch needs these
    from prefect_seedance.redaction import without_signatures

    manifest, requests, options = (parameters.get(name) for name in ("manifest", "requests", "options"))
    if isinstance(manifest, str) and manifest.strip():
        place = without_signatures(manifest.strip()).partition("?")[0].partition("#")[0].rstrip("/")
        words = one_line(place.rpartition("/")[2])[:_LONGEST_MANIFEST] or "a manifest"
    else:
        count = len(cast("list[object]", requests)) if isinstance(requests, list) else 0
        words = f"{count} request{'' if count == 1 else 's'}"
    return f"{words} {options.part}" if isinstance(options, BatchOptions) and options.part else words
