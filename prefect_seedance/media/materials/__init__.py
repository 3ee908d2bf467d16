"""The kinds of `Material`: bytes that can be read again and again, and are always the same.

local_file      a file of this machine          bucket_object   an object in a bucket
last_frame      the last frame of a video       checked_reader  reading that notices a change
upload_name     the name for an upload
"""
