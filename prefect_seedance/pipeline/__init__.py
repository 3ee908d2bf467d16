"""The way of one video, without Prefect: what is asked becomes an order, is submitted, watched and delivered.

The tasks, the command line and whatever makes many videos call these functions and follow them through an `Observer`.

order      what is asked, and its identity      parties        the account that pays, the store that receives
submit     from an order to the vendor's task   watch/         until the video is made
deliver    from there into the store            record_lookup  what goes on when a run ends without the video
options    how a run behaves                    run_state      what the submissions of one run share
models     what a stored video is               observer       how a caller follows it: log lines and events
threads    pools for blocking work              errors         what can stop a video that is paid for
by_hand    a video that a person brings in       steps          the steps that the tasks call
films/     stored clips joined into one video
"""
