"""From an order to the vendor's task.

submit         the step that costs money      preparation    references made ready before it
run_state      what a run's submissions share
"""
