"""What was intended, submitted and stored: one small record per intent. No Prefect here.

identity    what makes two requests the same      media       ... and two media addresses
states      the table of states                   record      the record; codec: as bytes
changes     every change, as pure functions       careful     one write, pursued until it is known
journal     the records of a store                adoption    a task that is known from elsewhere
decision    what to do, by the record             submission  resume or submit: the heart
attempting  one attempt                           critical    claim, POST, outcome
resolve     settling what is unclear              evidence    what a person is told of it
storm       three unclear answers stop a run      errors      everything that can stop the journal
points      where a test may kill the process     clock       a stopwatch that no sleep stops
"""
