"""The vendor's API: httpx and pydantic, no Prefect, no AWS.

sync_client, async_client   the clients: they carry calls and sleep between tries
protocol   each call as a value                 http       how a call travels
exchange   what came back, as a value           settings   key, host, time-outs and repeats
answers    an answer as a model or an error     outcome    what an answer to a create means for the money
models     what answers say                     task/      what an answer says about a task
errors     everything that can go wrong         failures   why the vendor gave up on a task
retry      when a call goes out again           request/   what is asked for, and the rules of each model
"""
