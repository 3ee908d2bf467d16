"""The way of one video, without Prefect: what is asked becomes an order, is submitted, watched and delivered.

The tasks, the command line and whatever makes many videos call these functions and follow them through an `Observer`.
"""
