"""What came of a collection, in words: for its run, its page, its notification and the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from prefect_seedance.pipeline.collect.models import Collected, CollectedVideo, CollectReport, Orphan
from prefect_seedance.plain_text import coin_words, cut
from prefect_seedance.redaction import without_signatures
from prefect_seedance.runs.notifications.escaping import unlinked

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Worst first: what a person has to look at before the rest.
WORST_FIRST: Mapping[Collected, str] = {
    "unknown": "unknown",
    "failed": "failed",
    "trouble": "not taken on",
    "closed": "closed, nothing had been sent",
    "open": "still at the vendor",
    "stored": "stored",
    "watched": "left to a run that waits",
    "young": "too young",
    "other_account": "of another account",
    "other_host": "of another host",
}
#: What a collection changes.
_CHANGED: frozenset[Collected] = frozenset({"stored", "failed", "unknown", "closed"})
#: What a person has to look at.
BAD: frozenset[Collected] = frozenset({"failed", "unknown", "trouble"})
#: What is wrong with an orphan.
ORPHAN_KINDS: Mapping[str, str] = {
    "link_dying": "link dies within a day",
    "not_stored": "completed, not stored",
    "unknown": "unknown",
    "late": "open longer than expected",
}
#: How many videos a notification names, and how much is said of each.
_MOST_NAMED, _LENGTH = 5, 150


def counts_of(report: CollectReport) -> dict[Collected, int]:
    """Return how many records ended how, or were left alone, worst first.

    Example:
        >>> counts_of(CollectReport(videos=[CollectedVideo(intent="1", became="stored")], left_alone={"young": 2}))
        {'stored': 1, 'young': 2}
    """
    counted = Counter(video.became for video in report.videos)
    return {each: count for each in WORST_FIRST if (count := counted[each] + report.left_alone.get(each, 0))}


def headline(report: CollectReport) -> str:
    """Return what came of a collection, in a few words.

    Example:
        >>> headline(CollectReport(videos=[CollectedVideo(intent="1", became="stored")], left_alone={"young": 2}))
        '1 stored, 2 too young'
        >>> headline(CollectReport())
        'Nothing is open'
    """
    counts = ", ".join(f"{count} {WORST_FIRST[each]}" for each, count in counts_of(report).items())
    orphans = len(report.orphans)
    more = f"; {orphans} orphan{'s' if orphans != 1 else ''}" if orphans else ""
    return f"{counts or 'Nothing is open'}{more}"


def summary(report: CollectReport) -> str:
    """Return what came of a collection in a sentence or two, on one line."""
    words = f"{headline(report)}. The vendor was asked {report.polls} time{'s' if report.polls != 1 else ''}."
    return f"{words} What stays open is taken up by the next collection." if still_open(report) else words


def still_open(report: CollectReport) -> bool:
    """Return whether the next collection has something to take up."""
    return any(counts_of(report).get(each) for each in ("open", "trouble", "watched", "young"))


def needs_a_person(report: CollectReport) -> bool:
    """Return whether somebody should look at what the collection met."""
    return bool(report.orphans) or any(video.became in BAD for video in report.videos)


def worst_videos_first(videos: Iterable[CollectedVideo]) -> list[CollectedVideo]:
    """Sort videos: first what a person has to look at."""
    order = [*WORST_FIRST]
    return sorted(videos, key=lambda video: order.index(video.became))


def changed_by(report: CollectReport) -> list[CollectedVideo]:
    """Return the videos that this collection has changed, worst first: whoever was faster has told of the others."""
    return [video for video in worst_videos_first(report.videos) if video.became in _CHANGED and not video.by_another]


def label_of(video: CollectedVideo | Orphan) -> str:
    """Return what a video is called where it needs a name.

    Example:
        >>> label_of(CollectedVideo(intent="2e5b2ced3957ef68973738a4277cb3f2", became="open"))
        '2e5b2ced3957'
    """
    return video.name or video.intent[:12]


def words_of_video(video: CollectedVideo) -> str:
    """Return what became of a video, on one line and without signatures.

    Example:
        >>> broken = CollectedVideo(intent="1", name="mug", became="failed", task_id="videos_1", reason="Broken.")
        >>> words_of_video(broken)
        'failed: mug, task videos_1. Broken.'
    """
    words = ", ".join(
        filter(
            None,
            (
                f"{WORST_FIRST[video.became]}: {label_of(video)}",
                f"task {video.task_id}" if video.task_id else "",
                coin_words(video.cost) if video.cost is not None and video.became == "stored" else "",
                video.uri,
            ),
        )
    )
    said = " ".join(filter(None, (video.reason, video.advice)))
    return without_signatures(" ".join((f"{words}. {said}" if said else words).split()))


def collection_message(report: CollectReport, place: str, run_url: str) -> tuple[str, str]:
    """Return subject and body of the one notification at the end.

    Args:
        report: What came of it.
        place: Where the store is.
        run_url: Address of the run's page, "" where there is none.
    """
    changed = changed_by(report)
    lines = [f"Store: {_plain(place)}"]
    for video in changed[:_MOST_NAMED]:
        lines.append(_plain(words_of_video(video.model_copy(update={"uri": ""}))))
        if video.uri:
            lines.append(without_signatures(video.uri))
    if len(changed) > _MOST_NAMED:
        lines.append(f"And {len(changed) - _MOST_NAMED} more.")
    if report.orphans:
        lines.append(f"Orphans, which a person should look at: {len(report.orphans)}.")
        lines += [_plain(words_of_orphan(each)) for each in report.orphans[:_MOST_NAMED]]
    if run_url:
        lines.append(f"The run: {run_url}")
    return f"Collected: {headline(report)}", "\n".join(lines)


def words_of_orphan(orphan: Orphan) -> str:
    """Return what is wrong with an orphan, on one line."""
    task = f", task {orphan.task_id}" if orphan.task_id else ""
    said = " ".join(filter(None, (orphan.reason, orphan.advice)))
    return without_signatures(" ".join(f"{ORPHAN_KINDS[orphan.kind]}: {label_of(orphan)}{task}. {said}".split()))


def _plain(words: str) -> str:
    """Return words of others: an address in them is not one of our links."""
    return cut(unlinked(words), _LENGTH)
