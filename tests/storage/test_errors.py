from __future__ import annotations

import inspect
import pickle

import pytest

from prefect_seedance.storage import errors

EXAMPLES = [
    errors.StorageError("something"),
    errors.BadLocation("videos", "it is relative"),
    errors.BadKey("../a", "a part of it starts with a dot"),
    errors.NotWritable("/data", "Permission denied"),
    errors.NotReadable("/data", "Permission denied"),
    errors.NoSpace("/data", "No space left on device"),
    errors.StoreUnavailable("/data", "Input/output error"),
    errors.StoreUnavailable("s3://bucket/a", "it asks to slow down", "Try again later."),
    errors.ConditionsIgnored("s3://bucket", "an object was overwritten"),
    errors.StorageIncomplete("s3://bucket", ["The store cannot list keys (s3:ListBucket)."]),
    errors.AlreadyExists("file:///data/a"),
    errors.KeyTaken("file:///data/a", "other bytes"),
    errors.Conflict("file:///data/a"),
    errors.Missing("file:///data/a"),
    errors.DamagedUpload("file:///data/a", "3 bytes, expected 4"),
    errors.NoLastFrame("it has no pictures"),
    errors.RelayCancelled(),
    errors.SourceError("something"),
    errors.SourceUnavailable("media.example.com", "HTTP 503"),
    errors.LinkExpired(403, "media.example.com"),
    errors.TruncatedSource(3, 4),
    errors.TruncatedSource(3, None),
    errors.SourceChanged("its ETag changed"),
    errors.SourceTooLarge(5, 4),
    errors.NotAVideo("file:///data/quarantine/a", "an HTML page"),
    errors.ForbiddenSource("10.0.0.1", "its address is not public."),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_with_its_message_and_facts(error: errors.StorageError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_every_error_is_in_the_drawn_tree_and_in_the_examples() -> None:
    public = {
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.StorageError) and not name.startswith("_")
    }
    assert public == {type(error).__name__ for error in EXAMPLES}
    assert errors.__doc__ is not None
    assert all(name in errors.__doc__ for name in public)


def test_a_download_fault_says_that_nothing_is_to_be_generated_again() -> None:
    for error in EXAMPLES:
        if isinstance(error, errors.SourceError) and type(error) is not errors.SourceError:
            assert "do not generate it again" in str(error)
