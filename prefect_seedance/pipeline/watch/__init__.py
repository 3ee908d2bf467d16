"""Watching the vendor's tasks.

watcher   any number of tasks in one event loop, and the way of one: `watch`
polling   what each answer means: pure decisions
schedule  when to ask again while a video is being made: pure as well
history   what earlier videos of a kind have taken, bounded, kept in the store
gate      how often this process asks, per host and key
"""
