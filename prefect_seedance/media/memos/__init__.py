"""What is remembered of free work at the vendor, so that one content is uploaded and audited once: leased memos.

memos     obtaining and forgetting what is kept         memo       one of them: its states and its text
sharing   one piece of work at a time in a process      memo_file  in its store
listing   for people                                    names      where it lies
errors    why nothing is kept                           failed_use what a failed video may have used

    from prefect_seedance.media.memos import Made, Memos

    memos = Memos(store, account="default")
    kept = memos.obtain("upload", sha256, upload, usable=lives_long_enough, follower=follower)
"""

from prefect_seedance.media.memos.errors import MakeRefused, TooManyMakes
from prefect_seedance.media.memos.listing import MemoEntry
from prefect_seedance.media.memos.memo import Kept, Made
from prefect_seedance.media.memos.memos import Memos, entries_of
from prefect_seedance.media.memos.names import MemoKind

__all__ = ["Kept", "Made", "MakeRefused", "MemoEntry", "MemoKind", "Memos", "TooManyMakes", "entries_of"]
