"""Every error that a user may catch, in one place. Nothing inside the package imports this module.

    SeedanceError                     whatever this package raises about the vendor, the journal or a task
    ├── ConfigurationError            a key, a host or a time-out that cannot work
    ├── InvalidRequest                refused by us; nothing was sent
    ├── ConnectionFailed              the network failed; the call bought no video
    ├── ApiError                      the vendor answered, and the answer is not a success
    │   ├── AuthenticationFailed      the key is missing, wrong or blocked
    │   ├── InvalidParameters         the vendor calls a parameter wrong
    │   ├── InsufficientBalance       too little money, or too little quota of the key
    │   ├── RateLimited               too many requests
    │   ├── VendorBusy                the vendor asks to try later
    │   ├── TaskNotFound              the vendor does not know the task id (yet)
    │   ├── SubmissionRefused         a submission that was certainly not accepted
    │   └── UnexpectedAnswer          a page, half a JSON, an unknown code
    │       └── WrongTask             about another task than was asked for
    ├── OutcomeUnknown                perhaps accepted, perhaps billed
    │   └── SubmissionUnknown         ... and in the journal: settle it with resolve_submission
    ├── TaskError                     about a task that is paid for; carries its id
    │   ├── VideoFailed               the vendor's own verdict
    │   ├── WaitTimedOut              the limit of the wait is reached; the task goes on
    │   ├── WaitStopped               it could not be watched any longer; the task goes on
    │   └── MediaUnavailable          completed, and its video cannot be fetched
    ├── UnusableManifest              the manifest of a batch cannot be read; nothing was paid
    ├── BatchIncomplete               rows of a batch have no video; carries the report
    │   └── PartsMissing              parts of a batch ended without a report
    ├── PartsNotStarted               the parts of a batch cannot run; nothing was paid
    ├── CannotJoin, ClipsDoNotFit     clips cannot become one film; nothing was paid
    ├── VideoNotStored                made and paid for, and not in the store yet
    └── JournalError                  the record of what was submitted
        ├── JournalUnavailable        the store could not be read or written just now
        ├── JournalGone               it was there, and is not any more
        ├── RecordDamaged             a record that cannot be read
        ├── RecordTooNew              written by a newer version of this package
        ├── RecordChanged             another run wrote it first
        ├── IllegalTransition         a fault of this package
        ├── MediaNotIdentified        a reference whose content nobody identified
        ├── TaskNotRecorded           accepted and paid for, and the journal is down; carries the task id
        ├── SubmissionUnknown         (also an OutcomeUnknown)
        ├── ResolutionRefused         a resolution that cannot be right
        │   └── BalanceContradicts    not billed, and the balance fell by exactly the price
        └── SubmissionStopped         nothing was sent, and why
            ├── SubmissionsUsedUp     the video has had all the submissions that are allowed
            ├── FailedBefore          the vendor's verdict would be the same again
            ├── AbandonedBefore       a person gave it up
            ├── HeldByAnother         another run keeps it busy
            ├── TooManyUnknowns       several unknown outcomes in a row
            ├── RunNotLabelled        Prefect does not keep what a retry must find again
            ├── OrderChanged          a retry asks for another video than its run began with
            ├── BatchChanged          a retry of a batch asks for other videos than it began with
            ├── SubmittingStopped     the run submits no more, by a rule that it was given
            ├── SpendingPaused        a person has stopped all spending of the store
            ├── OverBudget            it does not fit into a budget of the account or the run
            ├── PriceUnknown          there is a budget, and the price of the video is not known
            ├── BudgetDamaged         the ledger of a budget cannot be read
            ├── BudgetTooNew          the ledger was written by a newer version of this package
            ├── TooManyReserved       a budget holds too many unknown submissions to take more
            └── SubmissionCancelled   the run was cancelled before anything was sent

    StorageError                      the store, or the download of a finished video
    ├── BadLocation, BadKey           a place or a name that cannot be used
    ├── StorageIncomplete             permissions or features are missing
    ├── NotWritable, NotReadable      the store refuses
    ├── NoSpace                       the disk or the quota is full
    ├── StoreUnavailable              the store did not work just now
    ├── ConditionsIgnored             the store cannot keep two writers apart
    ├── AlreadyExists                 the key is there already
    │   └── KeyTaken                  ... and holds something else
    ├── Conflict, Missing             a record was written, or removed, by somebody else
    ├── DamagedUpload                 what arrived is not what was sent
    ├── NoLastFrame                   no last frame can be taken of a video
    ├── RelayCancelled                the run was cancelled in the middle
    └── SourceError                   the download
        ├── SourceUnavailable         the host did not serve it
        ├── LinkExpired               the link is dead, and so are fresh ones
        ├── TruncatedSource           the body stops short, every time
        ├── SourceChanged             it changed in the middle
        ├── SourceTooLarge            more bytes than the store takes
        ├── NotAVideo                 kept in quarantine
        └── ForbiddenSource           the link leads where it must not

Inside a Prefect run, what a step raises is the exception of the run. All survive pickling with their attributes. Each
has `money`, which says what was paid: nothing, perhaps, or for what. What to do stands at each class, and for all of
them in ``docs/reference/errors.md``, which is made from here.

Example:
    >>> issubclass(SubmissionUnknown, OutcomeUnknown) and issubclass(VideoNotStored, SeedanceError)
    True
"""

from prefect_seedance.batch.errors import BatchIncomplete, PartsMissing, PartsNotStarted, UnusableManifest
from prefect_seedance.client.errors import (
    ApiError,
    AuthenticationFailed,
    ConfigurationError,
    ConnectionFailed,
    InsufficientBalance,
    InvalidParameters,
    InvalidRequest,
    MediaUnavailable,
    OutcomeUnknown,
    RateLimited,
    SeedanceError,
    SubmissionRefused,
    TaskError,
    TaskNotFound,
    UnexpectedAnswer,
    VendorBusy,
    VideoFailed,
    WaitTimedOut,
    WrongTask,
)
from prefect_seedance.journal.errors import (
    AbandonedBefore,
    BalanceContradicts,
    BatchChanged,
    BudgetDamaged,
    BudgetTooNew,
    FailedBefore,
    HeldByAnother,
    IllegalTransition,
    JournalError,
    JournalGone,
    JournalUnavailable,
    MediaNotIdentified,
    OrderChanged,
    OverBudget,
    PriceUnknown,
    RecordChanged,
    RecordDamaged,
    RecordTooNew,
    ResolutionRefused,
    RunNotLabelled,
    SpendingPaused,
    SubmissionCancelled,
    SubmissionStopped,
    SubmissionsUsedUp,
    SubmissionUnknown,
    SubmittingStopped,
    TaskNotRecorded,
    TooManyReserved,
    TooManyUnknowns,
)
from prefect_seedance.pipeline.errors import CannotJoin, ClipsDoNotFit, VideoNotStored, WaitStopped
from prefect_seedance.storage.errors import (
    AlreadyExists,
    BadKey,
    BadLocation,
    ConditionsIgnored,
    Conflict,
    DamagedUpload,
    ForbiddenSource,
    KeyTaken,
    LinkExpired,
    Missing,
    NoLastFrame,
    NoSpace,
    NotAVideo,
    NotReadable,
    NotWritable,
    RelayCancelled,
    SourceChanged,
    SourceError,
    SourceTooLarge,
    SourceUnavailable,
    StorageError,
    StorageIncomplete,
    StoreUnavailable,
    TruncatedSource,
)

__all__ = [
    "AbandonedBefore",
    "AlreadyExists",
    "ApiError",
    "AuthenticationFailed",
    "BadKey",
    "BadLocation",
    "BalanceContradicts",
    "BatchChanged",
    "BatchIncomplete",
    "BudgetDamaged",
    "BudgetTooNew",
    "CannotJoin",
    "ClipsDoNotFit",
    "ConditionsIgnored",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "DamagedUpload",
    "FailedBefore",
    "ForbiddenSource",
    "HeldByAnother",
    "IllegalTransition",
    "InsufficientBalance",
    "InvalidParameters",
    "InvalidRequest",
    "JournalError",
    "JournalGone",
    "JournalUnavailable",
    "KeyTaken",
    "LinkExpired",
    "MediaNotIdentified",
    "MediaUnavailable",
    "Missing",
    "NoLastFrame",
    "NoSpace",
    "NotAVideo",
    "NotReadable",
    "NotWritable",
    "OrderChanged",
    "OutcomeUnknown",
    "OverBudget",
    "PartsMissing",
    "PartsNotStarted",
    "PriceUnknown",
    "RateLimited",
    "RecordChanged",
    "RecordDamaged",
    "RecordTooNew",
    "RelayCancelled",
    "ResolutionRefused",
    "RunNotLabelled",
    "SeedanceError",
    "SourceChanged",
    "SourceError",
    "SourceTooLarge",
    "SourceUnavailable",
    "SpendingPaused",
    "StorageError",
    "StorageIncomplete",
    "StoreUnavailable",
    "SubmissionCancelled",
    "SubmissionRefused",
    "SubmissionStopped",
    "SubmissionUnknown",
    "SubmissionsUsedUp",
    "SubmittingStopped",
    "TaskError",
    "TaskNotFound",
    "TaskNotRecorded",
    "TooManyReserved",
    "TooManyUnknowns",
    "TruncatedSource",
    "UnexpectedAnswer",
    "UnusableManifest",
    "VendorBusy",
    "VideoFailed",
    "VideoNotStored",
    "WaitStopped",
    "WaitTimedOut",
    "WrongTask",
]
