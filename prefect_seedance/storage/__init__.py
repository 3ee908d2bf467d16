"""Where bytes live: a local folder or S3, and the way of a video from its link into it.

Knows nothing of Prefect nor of the vendor's API. Names are imported from their modules, so that importing the package
costs neither httpx nor PyAV nor boto3.

    protocol    what a store can do
    keys        which names may stand in it
    templates   the key of a video
    key_locks   one writer at a time per key, in this process
    parallel    several reads at once, in order
    helper_threads      threads for calls that may hang, kept for the next one
    positioned_reader   what files that are read by position have in common
    errors      everything that can go wrong
    folder/     the store in a folder
    s3/         the store in a bucket
    relay/      from a link into a store, and the poster
"""
