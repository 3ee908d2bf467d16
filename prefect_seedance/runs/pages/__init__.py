"""What a run shows of one video, or of a plan, in the Prefect UI.

progress   the progress of a wait            run_page   the result, or why there is none
play_link  a link that plays the video       plan_page  what a batch would do and cost
assets     the store as an asset
"""
