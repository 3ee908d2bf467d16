"""Collecting: everything that is open in a journal is taken up, whoever left it, from the records alone.

`standing` says what an open record is to a collector, `collector` asks the vendor and delivers, `orphans` lists what a
person should look at. `options` is how a collection behaves, `models` what it says of itself.
"""
