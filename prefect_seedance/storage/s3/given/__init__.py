"""Objects that a user names by ``s3://``, in whatever bucket: read, and never written."""
