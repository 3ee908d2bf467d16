"""What local files, objects in buckets and frames of videos are as a `Material`."""
