"""Flows for asynchronous callers, each under the flow name of its synchronous twin; only that one is deployed."""
