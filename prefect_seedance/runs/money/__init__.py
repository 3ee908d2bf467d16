"""What a run may spend, and what people are told of it.

accounts   who pays, with the store where the budget is kept        reached    80 % of a budget, told to people
spending   the pages of a run that pauses or resumes all spending
"""
