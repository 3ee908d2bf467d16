"""Videos of a store for these tests: records and objects as a run leaves them."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from datetime import timedelta

from prefect_seedance.journal.codec import encode
from prefect_seedance.journal.record import Attempt, Delivery, Record, Stored
from prefect_seedance.journal.states import State
from prefect_seedance.storage.protocol import Store
from tests.journal.harness import NOON


@dataclass
class Shelf:
    """A store with records of videos."""

    store: Store
    made: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def add(
        self, intent: str, name: str = "", *, state: State = State.STORED, data: bytes = b"", message: str = ""
    ) -> Record:
        """Add a record, with its video if it is stored."""
        data, task_id = data or f"the video {intent}".encode() * 99, f"videos_{intent}"
        key = f"videos/2026-11/{task_id}.mp4"
        has_task = state in (State.SUBMITTED, State.COMPLETED, State.STORED, State.FAILED)
        attempt = Attempt(
            number=1,
            nonce=intent[::-1],
            started_at=NOON,
            outcome="accepted" if has_task else "unknown" if state is State.UNKNOWN else "refused",
            task_id=task_id if has_task else "",
            cost=0.1 if state is State.STORED else None,
            price=0.25,
            failure="moderation" if state is State.FAILED else "",
            message=message,
        )
        record = Record(
            intent=intent,
            state=state,
            request={"prompt": "A paper boat"},
            take="1",
            scope="",
            account="default",
            model="seedance2.0-std",
            created_at=NOON,
            updated_at=NOON + timedelta(minutes=len(self.made)),
            current=1,
            delivery=Delivery(name=name),
            attempts=(attempt,),
            stored=self._keep(key, data) if state is State.STORED else None,
        )
        self.store.create(f"journal/records/{intent}.json", encode(record))
        self.made[intent] = data
        return record

    def _keep(self, key: str, data: bytes) -> Stored:
        sha256, crc32 = hashlib.sha256(data).hexdigest(), zlib.crc32(data)
        with self.store.begin_upload(key, size=len(data), content_type="video/mp4", metadata={}) as upload:
            upload.write(data)
            upload.commit(crc32=crc32, size=len(data))
        uri = self.store.uri_of(key)
        return Stored(uri=uri, key=key, bytes=len(data), sha256=sha256, crc32=f"{crc32:08x}")
