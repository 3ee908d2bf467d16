"""How the run of a batch ends, whole or in parts: the report is written, shown and told, and may count as a failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING

from prefect_seedance.asides import words_of
from prefect_seedance.batch.report.contact_sheet import contact_sheet
from prefect_seedance.batch.report.report_files import write_report
from prefect_seedance.batch.report.thumbnails import thumbnails_of
from prefect_seedance.pipeline import threads
from prefect_seedance.runs.batch.message import batch_message
from prefect_seedance.runs.batch.page import show_report, show_rows
from prefect_seedance.runs.context.current_run import run_url
from prefect_seedance.runs.logs import log
from prefect_seedance.runs.pages.play_link import report_link
from prefect_seedance.tasks.notify import told

if TYPE_CHECKING:
    from prefect_seedance.batch.models import BatchReport
    from prefect_seedance.batch.options import BatchOptions
    from prefect_seedance.batch.rows import Manifest
    from prefect_seedance.blocks.video_store import VideoStore

_NO_THUMBNAILS: Mapping[str, bytes] = MappingProxyType({})


async def written(
    report: BatchReport, store: VideoStore, manifest: Manifest | None
) -> tuple[BatchReport, Mapping[str, bytes]]:
    """Write the report into the store. What cannot be written is logged, and the run's page still tells.

    Returns:
        The report with its address, and the thumbnails in it, by intent.
    """
    thumbnails = _NO_THUMBNAILS
    try:
        destination = await threads.run(threads.RECORDS, store.destination)
        thumbnails = await threads.run(threads.RECORDS, thumbnails_of, report.rows, destination)
        link_seconds = int(store.link_hours * 3600)
        report = await threads.run(
            threads.RECORDS,
            lambda: write_report(
                report, destination, manifest=manifest, thumbnails=thumbnails, link_seconds=link_seconds
            ),
        )
    except Exception as error:
        log("store", f"The report could not be written: {words_of(error)}", level=logging.WARNING)
    return report, thumbnails


async def shown_and_told(
    report: BatchReport, store: VideoStore, notify: list[str], thumbnails: Mapping[str, bytes] = _NO_THUMBNAILS
) -> None:
    """Show the report in Prefect, with a contact sheet of the thumbnails if there are any, and tell people."""
    sheet = None
    with suppress(Exception):  # a decoration
        pictures = [thumbnails[row.intent] for row in report.rows if row.intent in thumbnails]
        sheet = await threads.run(threads.MEDIA, contact_sheet, pictures)
    link = await report_link(report.report_uri, store)
    await asyncio.gather(show_rows(report.rows), show_report(report, sheet, link))
    await told(notify, batch_message(report, run_url(), link=link))
    log("store", report.summary)


def counts_as_failed(report: BatchReport, options: BatchOptions) -> bool:
    """Return whether a run with this report fails, by ``options.require_all``. What is submitted is not missing."""
    match options.require_all:
        case "none":
            return False
        case "retryable":
            return any(row.retryable for row in report.missing)
        case "all":
            return bool(report.missing)
