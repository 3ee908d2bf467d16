"""Where bytes live: a local folder or S3, and the way of a video from its link into it.

Knows nothing of Prefect nor of the vendor's API. Names are imported from their modules, so that importing the package
costs neither httpx nor PyAV nor boto3.

    protocol    what a store can do            keys      which names may stand in it
    folder      the store in a folder          folder_upload, durable, locking, mounts: its parts
    s3          the store in a bucket          s3_settings, s3_bucket, s3_headers, s3_errors, s3_records, s3_upload,
                                               s3_parts, s3_read, s3_probe: its parts
    s3_verify   what a bucket cannot do        s3_permissions what it must allow
    source      the video behind a link        policy, transport, resume: its rules
    relay       from the one into the other    sniff     whether it is a video at all
    poster      a still and the facts of it    errors    everything that can go wrong
    templates   the key of a video
"""
