"""A field that a block does not have is a typing error where a person writes it, and none in what was saved."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.core import Block
from prefect.exceptions import ParameterTypeError
from pydantic import Field, ValidationError

from prefect_seedance.blocks import SeedanceCredentials, VideoStore

KEY = "sk_a-whole-key-0123456789"


@pytest.mark.parametrize(
    ("block", "fields", "wrong", "hint"),
    [
        (SeedanceCredentials, {"api_key": KEY, "acount": "b"}, "acount", "; did you mean account?"),
        (SeedanceCredentials, {"api_ky": KEY}, "api_ky", "; did you mean api_key?"),
        (
            VideoStore,
            {"location": "/videos", "single_writter": True},
            "single_writter",
            "; did you mean single_writer?",
        ),
        (VideoStore, {"location": "/videos", "colour": KEY}, "colour", ""),
    ],
)
def test_a_typing_error_is_refused_with_the_nearest_field_and_without_the_value(
    block: type[Block], fields: dict[str, Any], wrong: str, hint: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        block(**fields)
    assert [(each["loc"], each["msg"]) for each in caught.value.errors()] == [
        ((wrong,), f"there is no such field{hint}")
    ]
    assert KEY not in str(caught.value) + str(caught.value.errors())


def test_every_wrong_name_is_told() -> None:
    with pytest.raises(ValidationError) as caught:
        VideoStore(location="/videos", regoin="eu-central-1", profil="studio")
    assert [each["loc"] for each in caught.value.errors()] == [("regoin",), ("profil",)]


def test_a_typing_error_in_the_parameters_of_a_run_is_refused() -> None:
    @flow
    def of_a_store(store: VideoStore) -> None: ...

    with pytest.raises(ParameterTypeError, match="did you mean single_writer"):
        of_a_store.validate_parameters({"store": {"location": "/videos", "single_writter": True}})


def test_what_prefect_itself_writes_into_a_block_is_none(tmp_path: Path) -> None:
    """A block given by value: what a caller dumps, another process validates."""

    @flow
    def of_a_store(store: VideoStore) -> None: ...

    store = VideoStore(location=str(tmp_path))
    store._block_document_name, store._is_anonymous = "default", False
    dumped = store.model_dump(mode="json")
    assert dumped.keys() - VideoStore.model_fields == {"block_type_slug", "_block_document_name", "_is_anonymous"}
    for again in (
        VideoStore(**dumped),
        Block(**dumped),
        VideoStore.model_validate(dict(dumped)),
        VideoStore.model_validate_json(store.model_dump_json()),
        of_a_store.validate_parameters({"store": dumped})["store"],
        pickle.loads(pickle.dumps(store)),
        copy.deepcopy(store),
    ):
        assert type(again) is VideoStore
        assert again.location == store.location


def test_what_was_saved_loads_without_a_field_that_this_version_does_not_have() -> None:
    saved = {"location": "/videos", "colour": "red", "region": ""}
    with pytest.warns(UserWarning, match="VideoStore: colour is left out"):
        store = VideoStore.model_validate(saved)
    assert store.location == "/videos"
    assert not store.model_extra
    assert saved["colour"] == "red", "the caller's own is not changed"


def test_a_block_made_from_ours_may_have_fields_of_its_own() -> None:
    class StudioStore(VideoStore):
        """A store of a studio."""

        _block_type_slug = "studio-store"  # else it takes the place of ours for this whole process

        studio: str = ""
        colour: str = Field(default="", alias="color")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = StudioStore(location="/videos", studio="b", color="red")
        loaded = StudioStore.model_validate({"location": "/videos", "studio": "b", "color": "red"})
    assert (made.studio, made.colour) == (loaded.studio, loaded.colour) == ("b", "red")
    with pytest.raises(ValidationError, match="did you mean studio"):
        StudioStore(location="/videos", studoi="b")
