"""From what a user has (a file, an object, a link, a video made before) to what a route takes.

Everything here is free, may be repeated, and happens before a submission is claimed.
"""
