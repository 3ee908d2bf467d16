"""Films: stored clips joined into one video, without encoding them again.

film      the film in the store: found, or made and uploaded, with its record
joining   the child process that joins the clips, as the parent sees it
joiner    what that child runs
"""
