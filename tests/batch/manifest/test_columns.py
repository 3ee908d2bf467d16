"""Headers as people write them, and those that were meant for a field and missed it."""

from __future__ import annotations

import pytest

from prefect_seedance.batch.manifest.columns import column_of
from prefect_seedance.client.request.fields import RequestFields
from tests.batch.manifest.conftest import Read


@pytest.mark.parametrize("field", RequestFields.model_fields)
def test_a_header_is_a_field_in_any_writing(field: str) -> None:
    title = RequestFields.model_fields[field].title or ""
    writings = (
        field,
        field.upper(),
        field.replace("_", " "),
        field.replace("_", "-").title(),
        f" \ufeff{field}\xa0*",
        title,
    )
    assert {column_of(each).field for each in writings} == {field}


@pytest.mark.parametrize("header", ["product", "notes", "title", "sku", "price", "date", "Status", "id", "产品", ""])
def test_what_is_for_people_is_no_field_and_looks_like_none(header: str) -> None:
    assert (column_of(header).field, column_of(header).nearest) == ("", "")


@pytest.mark.parametrize(
    ("header", "field"),
    {"Durration": "duration", "resoluton": "resolution", "image": "images", "modell": "model", "ratios": "ratio",
     "reference_video": "reference_videos", "fist image": "first_image"}.items(),
)  # fmt: skip
def test_a_mistyped_column_buys_nothing(read: Read, header: str, field: str) -> None:
    """Without it the row would be another video than was meant, and paid for."""
    manifest = read(f"prompt,{header}\nA,x\nB,\n")
    first, second = manifest.rows
    assert first.request is None and second.request is not None
    (problem,) = first.problems
    assert problem.column == header and field in problem.message and field in problem.fix
    assert manifest.notices == (f"Not a field, and ignored: {header} (did you mean {field}?).",)


def test_a_column_like_a_field_is_ignored_where_the_field_is_given(read: Read) -> None:
    manifest = read("prompt,prompts,names\nA,x,y\n")
    assert manifest.rows[0].request is not None and "did you mean prompt" in manifest.notices[0]


def test_repeated_columns_are_one_list_in_their_order(read: Read) -> None:
    manifest = read(
        "prompt,images.2,images,Images 3,images,model\n"
        "A,https://a.example.com/2.png,https://a.example.com/0.png,https://a.example.com/3.png,"
        "https://a.example.com/1.png,seedance2.0-std\n"
    )
    request = manifest.rows[0].request
    assert request and request.images == [f"https://a.example.com/{number}.png" for number in range(4)]


@pytest.mark.parametrize("second", ["images 2", "Images[2]", "image_2", "Image 2", "image2", "IMAGES.2"])
def test_a_list_goes_on_in_a_numbered_column(read: Read, second: str) -> None:
    """Without its second picture it would be another video."""
    (row,) = read(f"prompt,images.1,{second},images.9,model\nA,/1.png,/2.png,/9.png,seedance2.0-std\n").rows
    assert row.request and row.request.images == ["/1.png", "/2.png", "/9.png"]


def test_a_mistyped_column_of_a_list_buys_nothing_beside_the_list(read: Read) -> None:
    (row,) = read("prompt,images,image\nA,/1.png,/2.png\n").rows
    assert row.request is None and [problem.column for problem in row.problems] == ["image"]


def test_an_invalid_row_is_shown_with_prompt_and_model_whatever_their_headers(read: Read) -> None:
    (row,) = read("Prompt,MODEL,duration\nA,seedance2.0-mini,x\n").rows
    assert (row.given["prompt"], row.given["model"]) == ("A", "seedance2.0-mini")


def test_a_field_that_is_written_twice_must_be_the_same(read: Read) -> None:
    first, second, third = read("prompt,Prompt\nA,A\nB,C\n,D\n").rows
    assert first.request and third.request and third.request.prompt == "D"
    assert [problem.message for problem in second.problems] == [
        "prompt is written twice, in prompt and Prompt, and not the same"
    ]
