"""The store in a local folder.

store           what `Store` asks, in a folder
upload          one object that grows under a temporary name
durable_files   files that are whole or not there at all
places          folders and files below the root, reached without following a link
file_lock       one writer at a time, between threads and between processes
mounts          whether the folder is on a network file system
"""
