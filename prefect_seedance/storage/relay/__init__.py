"""The way of a video from its link into a store.

relay           from the one into the other, whole and checked
source          the video behind a link, through drops and expired links
local_file      a video in a file of this machine
remote_file     the beginning and a few pieces of what a link leads to, for whoever looks at it only
resumption      what an answer means for a download that has come so far
transport       one request under the policy
network         connections to the host, none of which waits without an end
policy          which links may be followed
wrapping        what stands round a video, such as gzip or signed chunks
file_type       whether it is a video at all, and all of it
poster          a still and the facts of it
decoder_process the children that decode it, their limits and what is believed of them
decoder         what such a child runs
"""
