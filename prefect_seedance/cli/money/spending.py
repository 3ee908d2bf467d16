"""``prefect-seedance pause`` and ``resume``: the stop for all spending of a store."""

from __future__ import annotations

import argparse
import getpass
import os
from dataclasses import asdict

from prefect_seedance.cli.store_option import chosen_store
from prefect_seedance.cli.terminal import say, say_document
from prefect_seedance.journal.budget.pause import Pause, pause, resume
from prefect_seedance.journal.commands import how_to_resume
from prefect_seedance.redaction import keeping_secret


def pause_spending(options: argparse.Namespace) -> int:
    """Stop all spending of a store and return the exit code."""
    store = chosen_store(options.store)
    with keeping_secret(os.environ.get("JIMMYAI_API_KEY", "")):  # what is pasted may hold it
        stands = pause(store.open(), by=getpass.getuser(), reason=options.reason)
    # A typing error in the location would stop nothing.
    used = next(store.destination().journal.intents(), None) is not None
    if options.as_json:
        say_document({"location": store.location, "paused": _facts(stands), "has_records": used})
        return 0
    say(f"All spending of {store.location} is {stands.words}.")
    if not used:
        say("Nothing was ever submitted into this store: check that it is the one that your runs use.")
    say("Nothing more is submitted into it, whoever runs. What is submitted already is still waited for and stored.")
    say(f"To lift it: {how_to_resume(store.store_option)}")
    return 0


def resume_spending(options: argparse.Namespace) -> int:
    """Lift the stop for all spending of a store and return the exit code."""
    store = chosen_store(options.store)
    was_paused = resume(store.open(), by=getpass.getuser())
    if options.as_json:
        say_document({"location": store.location, "paused": None, "was_paused": was_paused})
        return 0
    say(f"Spending of {store.location} goes on." + ("" if was_paused else " It was not paused."))
    return 0


def _facts(stands: Pause) -> dict[str, object]:
    facts = asdict(stands)
    return {name: facts[name] for name in ("since", "by", "reason")}
