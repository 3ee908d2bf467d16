"""What an answer says about a task. Tables, and what reads them.

status   what the word for its status means
links    where its video is
"""
