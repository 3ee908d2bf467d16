"""From what a user has (a file, an object, a link, a video made before) to what a route takes.

Everything here is free, may be repeated, and happens before a submission is claimed.

preparation     from a request as asked to the one that is sent: the way through this room
identification  what files and objects are in the identity of a request
finding         what a source stands for       materials/    a file, an object, a last frame: bytes that stay the same
links           what an https link leads to    inspection    what a content is, and measures
preflight       the rules of the route         facts         what was measured
uploads         files that the vendor keeps    assets        what its audit has made of them
memos/          what was uploaded and audited  material      what all materials have in common
context         account, store and follower    errors        why a reference cannot be used
"""
