"""The store in a bucket of S3, or of a service that speaks S3.

store           what `Store` asks, in a bucket; one for each settings and process
settings        the way there, checked without AWS libraries
bucket          the client, and the names of things
records         the journal's: created and swapped under conditions
upload, parts   a video on its way in: in one request, or in parts
reader          a video on its way out, sought in freely
line            how it is sent: patiently, and cut short when a run is cancelled
headers         what goes into the headers of an object
errors          what S3 says, in words
probe           whether conditions are honoured
verification    everything that is missing
permissions     the calls that are made, and the policy for them
given/          objects of any bucket that a user names
"""
