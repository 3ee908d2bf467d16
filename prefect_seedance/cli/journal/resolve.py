"""``prefect-seedance resolve``: settling an unknown submission, or bringing a video in by hand."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
from typing import TYPE_CHECKING

from prefect_seedance.cli.journal.listing import facts_of
from prefect_seedance.cli.store_option import chosen_credentials, chosen_store
from prefect_seedance.cli.terminal import ask, complain, say, say_document
from prefect_seedance.client.models import VideoTask
from prefect_seedance.journal.errors import BalanceContradicts
from prefect_seedance.journal.record import Entry
from prefect_seedance.journal.resolution import Settlement, remarks, resolve_unknown
from prefect_seedance.runs.money.accounts import account_of

if TYPE_CHECKING:
    from prefect_seedance.pipeline.parties import Destination
    from prefect_seedance.storage.protocol import Store
    from prefect_seedance.storage.relay.policy import MediaPolicy


def resolve(options: argparse.Namespace) -> int:
    """Settle an unknown submission, or bring its video in."""
    if options.file is not None or options.link is not None:
        return _bring_in(options)
    kind: Settlement = "attach"  # which refuses an empty id, should a shell's variable have been empty
    if options.abandon:
        kind = "abandon"
    elif options.not_billed:
        kind = "not_billed"
    elif options.restore:
        kind = "restore"

    def fetch(task_id: str) -> VideoTask:
        with chosen_credentials(options.credentials).get_client() as client:
            return client.get_video(task_id)

    journal, ledgers = chosen_store(options.store).journal(), _ledgers(options.credentials)

    def settle(attempt: str, *, despite_evidence: bool) -> Entry:
        return resolve_unknown(
            journal,
            options.intent,
            kind,
            task_id=options.task_id,
            attempt=attempt,
            by=getpass.getuser(),
            any_model=options.any_model,
            any_age=options.any_age,
            despite_evidence=despite_evidence,
            fetch=fetch,
            ledgers=ledgers,
        )

    try:
        entry = settle(options.attempt, despite_evidence=options.yes)
    except BalanceContradicts as doubt:
        if options.as_json or not sys.stdin.isatty():
            raise
        complain(doubt.balance)
        if not _said_yes(f"Settle attempt {doubt.attempt_name} as not billed all the same? [y/N] "):
            complain("Nothing was changed.")
            return 1
        entry = settle(doubt.attempt_name, despite_evidence=True)
    said = remarks(entry, kind, journal.store_option)
    if options.as_json:
        say_document({"record": facts_of(entry), "remarks": [*said]})
        return 0
    say(f"Intent {entry.record.intent} is now {entry.state}.")
    for remark in said:
        say(remark)
    return 0


def _bring_in(options: argparse.Namespace) -> int:
    """Store a video that a person has."""
    from prefect_seedance.pipeline.by_hand import Brought, bring_in

    store = chosen_store(options.store)
    destination = store.destination()
    link = sys.stdin.readline().strip() if options.link == "-" else options.link
    stored = bring_in(
        Brought(link=link or "", path=options.file or ""),
        options.intent,
        destination,
        attempt=options.attempt,
        by=getpass.getuser(),
        policy=_media_policy(destination, options.credentials),
        despite_evidence=options.yes,
        ledgers=_ledgers(options.credentials),
    )
    if options.as_json:
        say_document({"video": stored.model_dump(mode="json")})
        return 0
    say(f"Intent {stored.intent} is now stored: {stored.uri}")
    say("It counts as paid for. Run the same request again to have it as its video; nothing is paid then.")
    return 0


def _ledgers(credentials: str) -> Store | None:
    """Return the budget store of saved credentials; None where there is none, or no credentials are named."""
    return asyncio.run(account_of(chosen_credentials(credentials))).budget_store if credentials else None


def _media_policy(destination: Destination, credentials: str) -> MediaPolicy:
    """Return where a link may lead; to this machine too if the vendor is the simulator here. No key is needed."""
    if not credentials and not os.environ.get("JIMMYAI_API_KEY"):
        return destination.media
    return destination.media_for(chosen_credentials(credentials).vendor_account())


def _said_yes(question: str) -> bool:
    return ask(question).strip().lower() in ("y", "yes")
