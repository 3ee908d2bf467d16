"""From an order to the vendor's task.

submit         the step that costs money      preparation    references made ready before it
background     the same from an event loop    run_state      what a run's submissions share
headway        how far a video has come       spending       the budgets that it has to fit into
"""
