"""What was intended, submitted and stored: one small record per intent. No Prefect here.

identity    what makes two requests the same     media_identity   ... and two media addresses
states      the table of states                  record           the record; codec: as bytes
changes     every change, as pure functions      confirmed_store  one write, pursued until it is known
journal     the records of a store               store_identity   which journal this is
resolution  settling what is unknown             settlement/      ... and what that rests on
commands    what a person is told to run         submit/          resume or submit, and what decides about it
errors      everything that can stop the journal budget/          what may be spent, and the stop for all spending
"""
