"""References as the simulated vendor treats them.

library     the asset libraries             routes      the API of assets and uploads
uploads     the files that it keeps         addresses   what it finds at an address
references  which references of a create are refused, and which spoil the task later
"""
