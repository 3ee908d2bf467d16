"""What is asked for: the request, its rules, and the table of routes that all of them are derived from.

video_request   the request             fields      its fields, as the form shows them
check           what a route refuses    problems    a broken rule, in words
references      media addresses         wire        the request as the vendor's JSON
sources         what may be written for a reference
routes          the table (routes.json) form        its rules as JSON schema
text            texts in one form       prices      what a video will cost
describe        the table in words, for the documentation
words/          titles of the fields, and the help that the form shows
"""
