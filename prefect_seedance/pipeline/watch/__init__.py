"""Watching the vendor's tasks.

watcher   any number of tasks in one event loop, and the way of one: `watch`
polling   what each answer means: pure decisions
gate      how often this process asks, per host and key
"""
