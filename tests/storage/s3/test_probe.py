"""What an endpoint honours, what an account may do, and how it is said when something is missing."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import boto3
import httpx
import pytest
from pydantic import SecretStr

from prefect_seedance.storage.errors import ConditionsIgnored, NotReadable, NotWritable
from prefect_seedance.storage.s3.permissions import CALLS, DELETED_UNDER, iam_policy
from prefect_seedance.storage.s3.probe import CREATE_ROUNDS, PROBE, SWAP_ROUNDS, WRITERS, Conditions, probe_conditions
from prefect_seedance.storage.s3.settings import S3Settings
from prefect_seedance.storage.s3.store import S3Store
from prefect_seedance.storage.s3.verification import verify_store
from tests.storage.s3_proxy import Fault, S3Proxy
from tests.storage.s3_servers import S3Server, running_moto
from tests.storage.test_store_contract import content, upload

ALL = Conditions(create=True, one_winner=True, swap=True)
#: The rounds; and one write that must be refused by each condition, and one that must be taken.
PROBE_WRITES = WRITERS * (CREATE_ROUNDS + SWAP_ROUNDS) + 3
#: A record created and swapped, and a video of one request; another goes in parts.
TRIAL_WRITES = 3


@pytest.fixture
def store(moto: S3Server, proxy: S3Proxy) -> S3Store:
    return moto.store(endpoint_url=proxy.url)


def test_a_store_that_honours_conditions_is_found_to(store: S3Store, proxy: S3Proxy) -> None:
    assert store.conditions() == ALL
    store.require_conditions()
    assert proxy.calls().count("PutObject") == PROBE_WRITES + TRIAL_WRITES  # probed once
    assert proxy.calls().count("CompleteMultipartUpload") == 1
    assert list(store.list_keys("")) == []


def test_fifty_threads_probe_a_store_once(store: S3Store, proxy: S3Proxy) -> None:
    barrier = threading.Barrier(50)

    def begin(_: int) -> None:
        barrier.wait()
        store.check_writable()
        store.require_conditions()

    with ThreadPoolExecutor(50) as threads:
        list(threads.map(begin, range(50)))
    assert proxy.calls().count("PutObject") == TRIAL_WRITES + PROBE_WRITES
    store.check_writable()
    assert proxy.calls().count("PutObject") == TRIAL_WRITES + PROBE_WRITES and list(store.list_keys("")) == []


def test_a_probe_that_failed_is_tried_again(store: S3Store, proxy: S3Proxy) -> None:
    proxy.plan(Fault(calls=("PutObject",), status=403, code="AccessDenied", times=1))
    with pytest.raises(NotWritable):
        store.check_writable()
    store.check_writable()
    assert proxy.calls().count("PutObject") == 1 + TRIAL_WRITES


def test_many_may_probe_at_once(moto: S3Server) -> None:
    kept = moto.settings()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: probe_conditions(moto.store_of(kept).bucket), range(4)))
    assert found == [ALL] * 4 and list(moto.store_of(kept).list_keys("")) == []


def test_a_store_that_ignores_conditions_is_refused_unless_there_is_one_writer(rclone: S3Server) -> None:
    store = rclone.store(single_writer=False)
    assert store.conditions() == Conditions(create=False, one_winner=False, swap=False)
    with pytest.raises(ConditionsIgnored, match="single_writer") as caught:
        store.require_conditions()
    assert store.settings.location in str(caught.value) and "If-None-Match" in str(caught.value)
    rclone.store().require_conditions()


STRIPPED = [
    (("if-none-match", "if-match"), Conditions(create=False, one_winner=False, swap=False)),
    (("if-none-match",), Conditions(create=False, one_winner=False, swap=False)),
    (("if-match",), Conditions(create=True, one_winner=True, swap=False)),
]


@pytest.mark.parametrize(("without", "expected"), STRIPPED, ids=["both", "create", "swap"])
def test_each_condition_that_is_ignored_is_seen(
    store: S3Store, proxy: S3Proxy, without: tuple[str, ...], expected: Conditions
) -> None:
    proxy.plan(Fault(calls=("PutObject",), without=without, forward=True))
    found = store.conditions()
    assert (found.create, found.swap) == (expected.create, expected.swap)
    with pytest.raises(ConditionsIgnored):
        store.require_conditions()


@pytest.mark.parametrize("code", ["NotImplemented", "InvalidArgument"])
def test_conditions_that_are_refused_are_not_honoured(store: S3Store, proxy: S3Proxy, code: str) -> None:
    proxy.plan(Fault(when=lambda it: "if-none-match" in it.headers, status=501, code=code))
    assert store.conditions().missing


def test_an_endpoint_that_looks_first_and_writes_then_is_seen(store: S3Store, proxy: S3Proxy) -> None:
    """Each write alone is refused as it should be; only of several at once more than one succeeds."""
    proxy.plan(Fault(when=lambda it: "if-none-match" in it.headers, times=3, without=("if-none-match",), forward=True))
    assert store.conditions() == Conditions(create=True, one_winner=False, swap=True)
    with pytest.raises(ConditionsIgnored, match="more than one succeeds"):
        store.require_conditions()


def test_a_lost_answer_to_the_winner_is_not_taken_for_a_store_without_one(store: S3Store, proxy: S3Proxy) -> None:
    proxy.plan(Fault(calls=("PutObject",), forward=True, drop=True, times=1))
    assert store.conditions() == ALL


def test_what_could_not_be_found_out_is_not_remembered(store: S3Store, proxy: S3Proxy) -> None:
    proxy.plan(Fault(calls=("GetObject",), status=403, code="ExpiredToken", times=1))
    with pytest.raises(NotReadable):
        store.require_conditions()
    store.require_conditions()


def test_probes_of_killed_workers_are_cleared_away(store: S3Store, proxy: S3Proxy) -> None:
    store.create(f"{PROBE}old", b"x")
    assert store.conditions() == ALL and list(store.list_keys("")) == [f"{PROBE}old"]
    two_hours_on = {"date": "Fri, 31 Dec 2100 23:59:59 GMT"}
    proxy.plan(Fault(calls=("ListObjectsV2",), headers=two_hours_on, forward=True))
    probe_conditions(store.bucket)
    proxy.faults.clear()
    assert list(store.list_keys("")) == []


# verify


def test_nothing_is_missing_where_all_is_well(moto: S3Server) -> None:
    store = moto.store(tags={"team": "ml"}, storage_class="STANDARD_IA", acl="private")
    assert verify_store(store) == []
    assert list(store.list_keys("")) == [] and moto.unfinished(store.settings) == []


def test_a_single_writer_store_may_be_deaf_to_conditions(rclone: S3Server) -> None:
    assert verify_store(rclone.store()) == []
    (missing,) = verify_store(rclone.store(single_writer=False))
    assert missing.startswith("The store cannot keep two writers apart.") and "single_writer" in missing


DENIED = [
    ("UploadPart", ["in parts (s3:PutObject)"]),
    ("DeleteObject", ["delete markers and probes (s3:DeleteObject)"]),
]


@pytest.mark.parametrize(("call", "expected"), DENIED, ids=[call for call, _ in DENIED])
def test_each_permission_that_is_missing_is_named(
    store: S3Store, proxy: S3Proxy, call: str, expected: list[str]
) -> None:
    proxy.plan(Fault(calls=(call,), status=403, code="AccessDenied"))
    missing = "\n".join(verify_store(store))
    assert all(words in missing for words in expected), missing


def test_a_tag_that_may_not_be_set_is_named(moto: S3Server, proxy: S3Proxy) -> None:
    store = moto.store(endpoint_url=proxy.url, tags={"team": "ml"})
    proxy.plan(Fault(when=lambda it: "x-amz-tagging" in it.headers, status=403, code="AccessDenied"))
    missing = verify_store(store)
    assert len(missing) == 3 and "s3:PutObjectTagging" in missing[0]


def test_what_stops_at_the_first_step_is_said_once(moto: S3Server) -> None:
    (missing,) = verify_store(moto.store(bucket="another-bucket"))
    assert "no such bucket" in missing


# Permissions


def use_everything(store: S3Store) -> None:
    """All that the package does with a store."""
    store.require_conditions()
    etag = store.create("journal/records/a.json", b"1")
    store.swap("journal/records/a.json", b"2", etag=etag)
    assert store.get("journal/absent") is None and store.stat("videos/absent") is None
    for key, size in (("videos/small.mp4", 10), ("videos/large.mp4", 9_000_000)):
        upload(store, key, os.urandom(size), {"task-id": "t"})
        assert len(content(store, key)) == size
    with store.begin_upload("videos/left.mp4", size=None, content_type="", metadata={}) as left:
        left.write(bytes(9_000_000))
    assert store.presigned_url("videos/small.mp4")
    assert len(list(store.list_keys(""))) == 3
    store.create("journal/open/a.1", b"")
    store.delete("journal/open/a.1")
    store.check_writable()


def test_the_list_of_calls_is_what_is_called(moto: S3Server) -> None:
    store = moto.store()
    made: set[str] = set()
    store.client.meta.events.register("before-call.s3", lambda model, **_: made.add(model.name))
    use_everything(store)
    assert made == set(CALLS)
    verify_store(store)
    assert made == set(CALLS)


def test_the_policy_names_the_permissions_of_the_calls_and_no_other() -> None:
    def actions(settings: S3Settings) -> set[str]:
        statements: Any = iam_policy(settings)["Statement"]
        return {action for statement in statements for action in statement["Action"]}

    plain = S3Settings("my-bucket", "videos")
    assert actions(plain) == set(CALLS.values())
    assert actions(replace(plain, tags={"a": "b"})) - actions(plain) == {"s3:PutObjectTagging"}
    assert actions(replace(plain, acl="private")) - actions(plain) == {"s3:PutObjectAcl"}
    keyed = replace(plain, encryption="aws:kms", kms_key_id=f"arn:aws:kms:eu-north-1:123456789012:key/{KEY_ID}")
    assert actions(keyed) - actions(plain) == {"kms:GenerateDataKey", "kms:Decrypt"}
    assert "arn:aws-cn:s3:::my-bucket/videos/*" in json.dumps(iam_policy(plain, partition="aws-cn"))
    assert "arn:aws:s3:::my-bucket/*" in json.dumps(iam_policy(S3Settings("my-bucket")))
    assert all(place.endswith("/") for place in DELETED_UNDER)


KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
BY_ALIAS = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/studio"}}
BY_OWN_ALIAS = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/aws/s3"}}


@pytest.mark.parametrize(
    ("name", "region", "resource", "condition"),
    [
        ("alias/studio", "", "arn:aws:kms:*:*:key/*", BY_ALIAS),
        ("alias/studio", "eu-north-1", "arn:aws:kms:eu-north-1:*:key/*", BY_ALIAS),
        ("arn:aws:kms:eu-north-1:123456789012:alias/studio", "", "arn:aws:kms:eu-north-1:123456789012:key/*", BY_ALIAS),
        (
            "arn:aws-cn:kms:cn-north-1:123456789012:alias/studio",
            "",
            "arn:aws-cn:kms:cn-north-1:123456789012:key/*",
            BY_ALIAS,
        ),
        (KEY_ID, "", f"arn:aws:kms:*:*:key/{KEY_ID}", None),
        (KEY_ID, "cn-northwest-1", f"arn:aws-cn:kms:cn-northwest-1:*:key/{KEY_ID}", None),
        (KEY_ID, "us-gov-west-1", f"arn:aws-us-gov:kms:us-gov-west-1:*:key/{KEY_ID}", None),
        ("mrk-" + "0" * 32, "", "arn:aws:kms:*:*:key/mrk-" + "0" * 32, None),
        (
            f"arn:aws:kms:eu-north-1:123456789012:key/{KEY_ID}",
            "",
            f"arn:aws:kms:eu-north-1:123456789012:key/{KEY_ID}",
            None,
        ),
        ("", "", "arn:aws:kms:*:*:key/*", BY_OWN_ALIAS),
    ],
)
def test_the_policy_lets_use_the_one_key_alone(name: str, region: str, resource: str, condition: object) -> None:
    policy: Any = iam_policy(S3Settings("my-bucket", region=region, encryption="aws:kms", kms_key_id=name))
    (statement,) = (each for each in policy["Statement"] if "kms:Decrypt" in each["Action"])
    assert statement["Resource"] == resource and statement.get("Condition") == condition
    assert all(each["Resource"] != "*" for each in policy["Statement"])
    partition = resource.split(":")[1]
    assert all(
        f"arn:{partition}:s3:::my-bucket" in json.dumps(each) for each in policy["Statement"] if each != statement
    )


@pytest.fixture(scope="module")
def strict() -> Iterator[S3Server]:
    """moto, asking who comes and what they may do."""
    with running_moto() as server:
        yield server


def test_the_policy_is_enough_and_verify_names_what_is_taken_from_it(strict: S3Server) -> None:
    kept = strict.settings(tags={"team": "ml"}, acl="private")
    root = boto3.client(
        "iam",
        endpoint_url=strict.url,
        region_name="us-east-1",
        aws_access_key_id=kept.access_key_id,
        aws_secret_access_key=kept.secret_access_key.get_secret_value(),
    )
    root.create_user(UserName="worker")
    keys = root.create_access_key(UserName="worker")["AccessKey"]
    secret = SecretStr(keys["SecretAccessKey"])
    policy: Any = iam_policy(kept)

    def store_with(statements: list[Any]) -> S3Store:
        httpx.post(f"{strict.url}/moto-api/reset-auth", content=b"inf")
        document = json.dumps({**policy, "Statement": statements})
        root.put_user_policy(UserName="worker", PolicyName="p", PolicyDocument=document)
        httpx.post(f"{strict.url}/moto-api/reset-auth", content=b"0")
        return S3Store(replace(kept, access_key_id=keys["AccessKeyId"], secret_access_key=secret))

    store = store_with(policy["Statement"])
    use_everything(store)
    assert verify_store(store) == []
    # moto itself does not ask for the permissions of tags and ACLs.
    for action in sorted(set(CALLS.values())):
        less = [{**each, "Action": [name for name in each["Action"] if name != action]} for each in policy["Statement"]]
        missing = verify_store(store_with([statement for statement in less if statement["Action"]]))
        assert action in "\n".join(missing)
