"""What the runs of flows do. Only a run imports it: a form or a deployment needs the parameters alone.

one_video   one video          many_videos  a batch, made or submitted     joined_batch  a batch in parts
planning    a plan             batch_end    the report of both, shown and told
collecting  a collection       settling     an unknown submission, or a video brought in by hand
"""
