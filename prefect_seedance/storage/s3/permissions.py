"""The calls that a worker's store makes to S3, and the least that its account must be allowed for them.

Restoring a record is a person's work and not among them: it reads earlier versions, for which it needs
``s3:ListBucketVersions`` and ``s3:GetObjectVersion`` as well (`Store.earlier_versions`).
"""

from __future__ import annotations

from collections.abc import Mapping

from prefect_seedance.storage.s3.settings import S3Settings

#: Each call that a worker makes, by boto3's name of it, and the permission that it needs.
CALLS: Mapping[str, str] = {
    "PutObject": "s3:PutObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "DeleteObject": "s3:DeleteObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
}

#: Where the store deletes: markers and probes of the journal, and the objects with which an upload is tried.
DELETED_UNDER = ("journal/", "probe/")

_ON_OBJECTS = ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload")
# Without a condition on the prefix: S3 then denies reading a key that is not there, instead of saying so.
_ON_BUCKET = ("s3:ListBucket", "s3:ListBucketMultipartUploads")


#: Beginnings of the names of regions that are not in the partition `aws`, with their own.
_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "us-iso-": "aws-iso",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
}


def iam_policy(settings: S3Settings, *, partition: str = "") -> dict[str, object]:
    """Return the IAM policy for the account of a worker.

    Args:
        settings: Of the store; tags, ACL and KMS key need permissions of their own.
        partition: Of AWS, such as `aws-cn` in China; by default that of the region, or of the KMS key.

    Example:
        >>> policy = iam_policy(S3Settings("my-bucket", "videos"))
        >>> policy["Statement"][0]["Resource"]
        'arn:aws:s3:::my-bucket/videos/*'
    """
    partition = partition or _partition_of(settings)
    bucket = f"arn:{partition}:s3:::{settings.bucket}"
    objects = "/".join(part for part in (bucket, settings.prefix) if part)
    actions = [*_ON_OBJECTS]
    if settings.tags:
        actions.append("s3:PutObjectTagging")
    if settings.acl:
        actions.append("s3:PutObjectAcl")
    statements: list[dict[str, object]] = [
        {"Effect": "Allow", "Action": actions, "Resource": f"{objects}/*"},
        {
            "Effect": "Allow",
            "Action": ["s3:DeleteObject"],
            "Resource": [f"{objects}/{place}*" for place in DELETED_UNDER],
        },
        {"Effect": "Allow", "Action": [*_ON_BUCKET], "Resource": bucket},
    ]
    if settings.encryption == "aws:kms":
        actions = ["kms:GenerateDataKey", "kms:Decrypt"]
        statements.append({"Effect": "Allow", "Action": actions, **_keys(settings, partition)})
    return {"Version": "2012-10-17", "Statement": statements}


def _keys(settings: S3Settings, partition: str) -> dict[str, object]:
    """Return which KMS keys a statement is about, as narrow as the settings can tell."""
    name = settings.kms_key_id or "alias/aws/s3"  # what S3 takes where none is named
    arn = f"arn:{partition}:kms:{settings.region or '*'}:*:"
    if name.startswith("arn:"):
        arn, _, name = name.rpartition(":")
        arn += ":"
    if not name.startswith("alias/"):
        return {"Resource": f"{arn}key/{name.removeprefix('key/')}"}
    # As a resource, an alias is the alias itself and not the key behind it.
    return {
        "Resource": f"{arn}key/*",
        "Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": name}},
    }


def _partition_of(settings: S3Settings) -> str:
    if settings.kms_key_id.startswith("arn:"):
        return settings.kms_key_id.split(":")[1]
    return next((name for begin, name in _PARTITIONS.items() if settings.region.startswith(begin)), "aws")
