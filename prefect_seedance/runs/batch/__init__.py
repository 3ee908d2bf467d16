"""What a batch shows and asks in Prefect.

progress        one artifact for the whole         page            the rows as a table, and the report
message         the one notification at the end    account_limit   how many POSTs may go out at a time
api             whether Prefect's API answers
"""
