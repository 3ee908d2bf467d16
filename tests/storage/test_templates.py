from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_seedance.storage.keys import check_key
from prefect_seedance.storage.templates import (
    DEFAULT_TEMPLATE,
    KeyFacts,
    beside,
    check_template,
    prefill,
    render,
)

FACTS = KeyFacts(
    intent="ab12",
    request_digest="d1",
    model="seedance2.0-std",
    take="1",
    flow_run_name="nightly run: 3",
)
CREATED = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("template", "key"),
    [
        (DEFAULT_TEMPLATE, "videos/2026/11/22/videos_1f.mp4"),
        ("{model}/{take}/{intent}.mp4", "seedance2.0-std/1/ab12.mp4"),
        ("clips/{flow_run_name}/{task_id}.mp4", "clips/nightly-run-3/videos_1f.mp4"),
        ("{created}/{request_digest}-{task_id}.mp4", "2026-11-22/d1-videos_1f.mp4"),
        ("shop/{name}/{task_id}.mp4", "shop/video/videos_1f.mp4"),
    ],
)
def test_a_template_names_a_video(template: str, key: str) -> None:
    assert render(prefill(check_template(template), FACTS), "videos_1f", CREATED) == key


def test_what_is_known_beforehand_is_filled_in_and_the_rest_stays_open() -> None:
    template = "{created:%Y}/{model}/{flow_run_name}-{task_id}.mp4"
    assert prefill(template, FACTS) == "{created:%Y}/seedance2.0-std/nightly-run-3-{task_id}.mp4"
    assert check_template(prefill(template, FACTS)), "so that it may be filled in by any process"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("videos/{model}.mp4", "must hold {task_id} or {intent}"),
        ("{task_id}", "must end with .mp4"),
        ("../{task_id}.mp4", "starts with a dot"),
        ("/{task_id}.mp4", "absolute"),
        ("a//{task_id}.mp4", "empty part"),
        ("{nonsense}/{task_id}.mp4", "{nonsense} is not known"),
        ("{task_id!r}.mp4", "not a plain name"),
        ("{task_id.__class__}.mp4", "not a plain name"),
        ("{task_id:>9}.mp4", "only {created} takes a format"),
        ("{created:%H:%M}/{task_id}.mp4", "not safe"),
        ("vidéos/{task_id}.mp4", "not safe"),
        ("{task_id.mp4", "write names in braces"),
        ("journal/{task_id}.mp4", "the store itself uses"),
        ("quarantine/{task_id}.mp4", "the store itself uses"),
        ("reports/{task_id}.mp4", "the store itself uses"),
        ("Journal/{task_id}.mp4", "the store itself uses"),
        ("journal./{task_id}.mp4", "the store itself uses"),
        ("jour{created:nal}/{task_id}.mp4", "the store itself uses"),
        ("clips/aux/{task_id}.mp4", "some systems do not allow"),
        ("my clips /{task_id}.mp4", "some systems do not allow"),
        ("\uff4aournal/{task_id}.mp4", "not safe"),
        ("x" * 1000 + "/{task_id}.mp4", "longer than"),
    ],
)
def test_a_template_that_could_go_wrong_is_refused_when_it_is_saved(template: str, said: str) -> None:
    with pytest.raises(ValueError, match="key template") as caught:
        check_template(template)
    assert said in str(caught.value)


@given(values=st.lists(st.text(), min_size=6, max_size=6), task_id=st.text())
def test_after_the_money_is_spent_no_value_can_make_a_key_that_is_refused(values: list[str], task_id: str) -> None:
    everything = "{task_id}/{intent}/{model}/{take}/{flow_run_name}/{name}.mp4"
    key = render(prefill(check_template(everything), KeyFacts(*values)), task_id, CREATED)
    assert check_key(key) == key
    assert key.count("/") == 5


@pytest.mark.parametrize(
    "task_id",
    ["a/b", "a-b", "a\\b", "a b", "a\u00e9b", "../b", ".b", "b", "-b", "x" * 121, "x" * 122, "x" * 1024, "视", "频"],
)
def test_no_two_tasks_share_a_key(task_id: str) -> None:
    others = {"a/b", "a-b", "a:b", "b", "-b", "..b", "x" * 120, "x" * 123, "视频", "-"} - {task_id}
    key = render(DEFAULT_TEMPLATE, task_id, CREATED)
    assert check_key(key) == key and key.count("/") == 4
    assert key not in {render(DEFAULT_TEMPLATE, other, CREATED) for other in others}


@pytest.mark.parametrize("value", ["journal", "Journal", "JOURNAL", "journal.", "quarantine", "reports", "Reports.."])
@pytest.mark.parametrize("template", ["{take}/{task_id}.mp4", "{flow_run_name}/{task_id}.mp4", "{model}/{intent}.mp4"])
def test_no_value_leads_into_a_folder_that_is_kept_for_other_things(template: str, value: str) -> None:
    key = render(prefill(check_template(template), KeyFacts("ab12", "d1", value, value, value)), "videos_1f", CREATED)
    assert check_key(key) == key
    first, name = key.split("/")
    assert first.casefold().rstrip(".").startswith(value.casefold().rstrip(".") + "-")
    assert name in ("videos_1f.mp4", "ab12.mp4")


def test_a_kept_folder_may_also_come_about_in_pieces_or_out_of_the_vendors_task_id() -> None:
    assert not render("jour{task_id}/a.mp4", "nal", CREATED).startswith("journal/")
    assert not render("{task_id}/{created}.mp4", "journal", CREATED).startswith("journal/")
    one, other = (render("{task_id}/a.mp4", each, CREATED) for each in ("journal", "Journal"))
    assert one.casefold() != other.casefold()


def test_a_kept_folder_of_an_older_record_is_left_as_well() -> None:
    """Its template was filled in when nobody looked."""
    for prefilled in ("journal/{task_id}.mp4", "\uff4aournal/{task_id}.mp4", "journal /{task_id}.mp4"):
        assert not render(prefilled, "videos_1f", CREATED).startswith(("journal/", "\uff4aournal/", "journal /"))


@pytest.mark.parametrize("value", ["con", "AUX", "nul.txt", "lpt9", "com1."])
def test_no_value_makes_a_name_that_windows_keeps_for_a_device(value: str) -> None:
    key = render(prefill("clips/{take}/{take}.mp4{task_id}.mp4", KeyFacts("i", "d", "m", value, "r")), "t", CREATED)
    assert not {part.partition(".")[0].casefold() for part in key.split("/")} & {"con", "aux", "nul", "lpt9", "com1"}
    assert key.endswith(".mp4") and check_key(key) == key


def test_names_that_only_look_like_a_kept_one_stay_as_they_are() -> None:
    for key in ("journals/t.mp4", "videos/journal/t.mp4", "my-journal/t.mp4", "console/t.mp4", "v1.0/t.mp4"):
        assert render(check_template(key.replace("t.mp4", "{task_id}.mp4")), "t", CREATED) == key


def test_the_files_beside_a_video_take_its_name() -> None:
    assert beside("videos/a.mp4", ".json") == "videos/a.json"
