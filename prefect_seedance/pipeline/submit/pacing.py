"""Pacing: few submissions of a batch work at the same time, so that the first are sent early instead of all late.

Threads share the processor evenly. A hundred submissions that begin together would all send their POST at the end of
their common work, and their videos would all be done in one later moment, to be stored together: the vendor idles while
we work, and we idle while it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

#: Enough to keep a processor busy with a store that answers in a tenth of a second.
_PLACES = 16


class Pacing:
    """Lets only so many submissions work at the same time, in the order in which they came. For one event loop.

    What only waits, for the vendor's answer above all, needs no place.

    Args:
        places: Most submissions at the same time.
    """

    def __init__(self, places: int = _PLACES) -> None:
        self._places = asyncio.Semaphore(places)

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[Callable[[], None]]:
        """Wait for a place, and hold it to the end, or until it is given up.

        Yields:
            Gives the place up: from any thread, however often, also when the loop has ended. Never raises.
        """
        await self._places.acquire()
        loop, held, asked = asyncio.get_running_loop(), True, False

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                self._places.release()

        def give_up() -> None:
            nonlocal asked
            if not asked:
                asked = True
                with suppress(RuntimeError):  # the loop has ended, and nobody waits for a place any more
                    loop.call_soon_threadsafe(give_back)

        try:
            yield give_up
        finally:
            give_back()
