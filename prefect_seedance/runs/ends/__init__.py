"""How a run ends without its video, and how a person goes on from there.

state         its state: one sentence, with a link     log_lines     its log: the sentence once, without a traceback
unknown_page  an unknown submission, and how to settle settled_page  what was settled, and what to do next
links         pages of the Prefect UI
"""
