"""The way of one video, without Prefect: what is asked becomes an order, is submitted, watched and delivered.

The tasks, the command line and whatever makes many videos call these functions and follow them through an `Observer`.

video      all steps of one video, one after the other
order      what is asked, and its identity      parties        the account that pays, the store that receives
submit/    from an order to the vendor's task   watch/         until the video is made
deliver    from there into the store            record_lookup  what goes on when a run ends without the video
options    how a run behaves                    observer       how a caller follows it: log lines and events
models     what a stored video is               errors         what can stop a video that is paid for
threads    pools for blocking work              steps          the steps that the tasks call
by_hand    a video that a person brings in      films/         stored clips joined into one video
prices     what a video is expected to cost     collect/       what is open is taken up, whoever left it
"""
