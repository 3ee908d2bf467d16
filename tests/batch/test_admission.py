"""How many videos are at the vendor, and how many behind them on their way into the store."""

from __future__ import annotations

import asyncio

from prefect_seedance.batch.admission import Admission, Place


async def entered(admission: Admission, wanted: int) -> list[Place]:
    """Enter as often as there is room for, at most so many times."""
    places: list[Place] = []
    for _ in range(wanted):
        try:
            async with asyncio.timeout(0.01):
                places.append(await admission.enter())
        except TimeoutError:
            break
    return places


async def test_a_video_that_is_made_makes_room_for_the_next_before_it_is_stored() -> None:
    admission = Admission(2, lambda: 0)
    first, second = await entered(admission, 5)
    first.made()
    (third,) = await entered(admission, 5)
    assert (admission.at_vendor, admission.inside) == (2, 3)
    for place in (first, second, third):
        place.leave()
    assert (admission.at_vendor, admission.inside) == (0, 0)


async def test_as_many_as_may_be_made_may_wait_to_be_stored_and_no_more_than_32() -> None:
    for maximum, inside in ((1, 2), (3, 6), (100, 132)):
        admission = Admission(maximum, lambda: 0)
        places = await entered(admission, maximum)
        for place in places:
            place.made()
        behind = await entered(admission, 1000)
        assert admission.inside == inside and admission.at_vendor == len(behind) <= maximum
        for place in behind:
            place.made()
        assert await entered(admission, 1) == [], "the store is behind, and the vendor waits for it"
        places[0].leave()
        assert len(await entered(admission, 5)) == 1


async def test_a_place_gives_each_room_back_once() -> None:
    admission = Admission(1, lambda: 0)
    (place,) = await entered(admission, 1)
    place.made()
    place.made()
    place.leave()
    place.leave()
    place.made()
    assert (admission.at_vendor, admission.inside) == (0, 0)
    assert len(await entered(admission, 5)) == 1


async def test_a_rate_limit_halves_the_places_at_the_vendor_and_they_come_back_as_videos_are_made() -> None:
    met = 0
    admission = Admission(8, lambda: met)
    places = await entered(admission, 8)
    met = 1
    assert admission.limit == 4
    for place in places[:4]:
        place.made()
    assert admission.limit == 5 and admission.at_vendor == 4
    assert len(await entered(admission, 5)) == 1
    met = 3
    assert admission.limit == 1
    for place in places:
        place.leave()
    assert admission.at_vendor == 1 and admission.limit == 3, "one after 1, another after 2"
