"""From an order to the vendor's task.

submit         the step that costs money      pacing         few of a batch work at the same time
background     the same from an event loop    preparation    references made ready before it
headway        how far a video has come       run_state      what a run's submissions share
                                              spending       the budgets that it has to fit into
"""
