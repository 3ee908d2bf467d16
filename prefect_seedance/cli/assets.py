"""``prefect-seedance assets``: what of the references is hashed, uploaded and audited, and forgetting one of these."""

from __future__ import annotations

import argparse
import getpass
import math
import re
from collections.abc import Iterable, Mapping

from prefect_seedance.cli.store_option import chosen_store
from prefect_seedance.cli.terminal import complain, say, say_document, say_rows
from prefect_seedance.journal.identity import references_of
from prefect_seedance.journal.journal import Journal
from prefect_seedance.media.memos import MemoEntry, Memos, entries_of
from prefect_seedance.media.memos.memos import SHORT_NAME
from prefect_seedance.plain_text import cut, one_line
from prefect_seedance.redaction import hide
from prefect_seedance.storage.protocol import Store

_COLUMNS = ("kind", "name", "state", "account", "age", "life left", "asset", "reference", "used by", "note")
_LONGEST_CELL = 80
#: How many of the videos that use one are named, and by how many letters of their intents.
_MOST_NAMED, _SHORT_INTENT = 3, 12
#: How far the clocks of the workers and of the store may be apart.
_CLOCKS_SECONDS = 86_400.0
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
#: An id, and certainly not a link.
_ASSET_ID = re.compile(r"(?:asset://)?([\w.-]+)")


def assets(options: argparse.Namespace) -> int:
    """List the memos of a store, newest first, or forget one."""
    chosen = chosen_store(options.store)
    store = chosen.open()
    found = entries_of(store) if options.account is None else Memos(store, options.account).entries()
    entries = sorted(found, key=lambda entry: (entry.age_seconds, entry.kind, entry.name))
    if options.forget is not None:
        return _forget(store, entries, options.forget, as_json=options.as_json)
    uses = _uses(chosen.journal(), entries)
    if options.as_json:
        say_document({"location": chosen.location, "assets": [_facts(entry, uses) for entry in entries]})
        return 0
    number = say_rows(_COLUMNS, (_row(entry, uses) for entry in entries))
    complain(f"{number} asset{'s' if number != 1 else ''} in {chosen.location}")
    return 0


def _forget(store: Store, entries: list[MemoEntry], name: str, *, as_json: bool) -> int:
    kind, _, beginning = name.rpartition("/")
    of_kind = [each for each in entries if kind in ("", each.kind)]
    exact = [each for each in of_kind if beginning in (each.name, _short(each.name))]
    chosen = exact or [each for each in of_kind if beginning and each.name.startswith(beginning)]
    if len(chosen) != 1:
        said = [f"{'No asset' if not chosen else 'More than one asset'} is called {name}; nothing was forgotten."]
        said += [f"  {each.kind}/{each.name} of account {_cell(each.account)}" for each in chosen]
        if chosen:
            said.append("Write one as it stands here; where two accounts have it, add --account.")
        raise LookupError("\n".join(said))
    (entry,) = chosen
    words = f"the {entry.kind} {entry.name} of account {_cell(entry.account)}"
    by = f"forgotten by {getpass.getuser()} on the command line"
    if not Memos(store, entry.account).forget(entry.kind, entry.name, by, lift_limit=True):
        raise LookupError(f"There is no {words.removeprefix('the ')} any more; nothing was forgotten.")
    if as_json:
        say_document({"forgotten": {"kind": entry.kind, "name": entry.name, "account": entry.account}})
        return 0
    say(f"Forgotten: {words}. The next run that needs it makes it anew, which costs nothing.")
    say("A run that is under way may go by the old one for another minute.")
    return 0


def _uses(journal: Journal, entries: Iterable[MemoEntry]) -> Mapping[tuple[str, str], list[str]]:
    """Return which videos have what as a reference: their intents, by account and by what their records call it."""
    uses: dict[tuple[str, str], list[str]] = {}
    oldest = max((entry.age_seconds for entry in entries), default=None)
    if oldest is None:
        return uses
    for each in journal.records(within_seconds=oldest + _CLOCKS_SECONDS):
        for reference in {*references_of(each.record.request)}:
            uses.setdefault((each.record.account, reference), []).append(each.record.intent)
    return uses


def _users(entry: MemoEntry, uses: Mapping[tuple[str, str], list[str]]) -> list[str]:
    """Return the intents of the videos that have it as a reference."""
    called = [f"sha256:{entry.name.replace('-', '/', 1)}", _reference(entry)]
    if entry.kept and entry.kind == "hash":
        called = [f"sha256:{entry.kept.value}", f"sha256:{entry.kept.value}/last-frame"]
    return [*dict.fromkeys(intent for each in called for intent in uses.get((entry.account, each), []))]


def _reference(entry: MemoEntry) -> str:
    return str(entry.kept.notes.get("reference", "")) if entry.kept else ""


def _state(entry: MemoEntry) -> str:
    return "working, lapsed" if entry.lapsed else entry.state


def _facts(entry: MemoEntry, uses: Mapping[tuple[str, str], list[str]]) -> dict[str, object]:
    """Return one as a program reads it; links to uploads are secrets, and are not in it."""
    left = entry.kept.seconds_left() if entry.kept else 0.0
    return {
        "kind": entry.kind,
        "name": entry.name,
        "state": _state(entry),
        "account": entry.account,
        "age_seconds": round(entry.age_seconds, 1),
        "seconds_left": None if math.isinf(left) else round(left, 1),
        "asset": _asset_id(entry),
        "reference": hide(_reference(entry)),
        "used_by": _users(entry, uses),
        "note": hide(_note(entry)),
    }


def _row(entry: MemoEntry, uses: Mapping[tuple[str, str], list[str]]) -> tuple[str, ...]:
    kept = entry.kept
    left = math.inf if kept is None else kept.seconds_left()
    return (
        entry.kind,
        _short(entry.name),
        _state(entry),
        _cell(entry.account),
        _span(entry.age_seconds),
        "" if kept is None else "no end" if math.isinf(left) else _span(left) if left else "over",
        _asset_id(entry),
        _cell(_reference(entry)),
        _used_by(_users(entry, uses)),
        _cell(_note(entry)),
    )


def _note(entry: MemoEntry) -> str:
    if entry.holder:
        return f"by {entry.holder}" + (f"; anew: {entry.reason}" if entry.reason else "")
    if entry.reason or not entry.history:
        return entry.reason
    return f"anew: {entry.history[-1].reason}"


def _asset_id(entry: MemoEntry) -> str:
    """Return the id of an audited asset; other values may be links, which are secrets."""
    found = _ASSET_ID.fullmatch(entry.kept.value) if entry.kept and entry.kind == "audit" else None
    return _cell(found[1]) if found else ""


def _used_by(intents: list[str]) -> str:
    """Return which videos use it, by the beginnings of their intents.

    Example:
        >>> _used_by(["0" * 32, "1" * 32, "2" * 32, "3" * 32, "4" * 32])
        '000000000000, 111111111111, 222222222222 and 2 more'
    """
    more = len(intents) - _MOST_NAMED
    named = ", ".join(intent[:_SHORT_INTENT] for intent in intents[:_MOST_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def _short(name: str) -> str:
    digits, dash, words = name.partition("-")
    return f"{digits[:SHORT_NAME]}{dash}{words}"


def _span(seconds: float) -> str:
    """Return a length of time as people say it.

    Example:
        >>> _span(4.2), _span(7300.0), _span(200_000.0)
        ('4 s', '2 h', '2 d')
    """
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds // size:.0f} {unit}"


def _cell(text: str) -> str:
    return cut(" ".join(one_line(hide(text)).split()), _LONGEST_CELL)
