"""Settle an unknown submission, or bring in a video: what a person runs after looking into the vendor's console."""

# No `from __future__ import annotations` here: `flow.serve` pickles the function, and its annotations must be objects.
from prefect import flow
from pydantic import SecretStr

from prefect_seedance.blocks.credentials import SeedanceCredentials
from prefect_seedance.blocks.video_store import VideoStore
from prefect_seedance.flows.form import with_titles
from prefect_seedance.flows.sync_flow import run_to_end
from prefect_seedance.journal.resolution import Resolution


@with_titles
@flow(name="resolve-submission", flow_run_name="resolve-submission: {resolution} {intent}", persist_result=True)
def resolve_submission(
    intent: str,
    store: VideoStore,
    credentials: SeedanceCredentials,
    resolution: Resolution,
    task_id: str = "",
    attempt: str = "",
    any_model: bool = False,
    any_age: bool = False,
    despite_evidence: bool = False,
    url: SecretStr = SecretStr(""),
    path: str = "",
) -> str:
    """Settle a submission that the vendor may or may not have accepted, or bring in its video by hand.

    Args:
        intent: The identity of the video, as the error and the journal name it. It has 32 hexadecimal digits.
        store: The saved store that has the journal.
        credentials: The saved credentials of the account that submitted the video. They are used to look the task up
            when you attach one.
        resolution: Choose attach if the vendor's console shows the task: it is taken up. Choose not_billed if there is
            no task and no bill: the video may be submitted again. Choose abandon to give the video up. Choose restore
            if its record is damaged or gone: what can still be read is written as unknown, and nothing is sent before
            that is settled. Choose take_link or take_file if you have the video itself: it is stored as the video of
            this intent, whatever the record says, and nothing is paid.
        task_id: The id of the task in the vendor's console. It is needed for attach, and left empty otherwise.
        attempt: The attempt that you settle, as the error and the run's page name it, for example 2-3f9a1c04. No other
            attempt is settled. It may be left empty while there has been only one.
        any_model: For attach. Take the task even if the vendor names another model for it than was asked for.
        any_age: For attach. Take the task even if it was made before the attempt was sent, or after the next one was.
        despite_evidence: For not_billed: settle it even if the account's balance fell by exactly the expected price,
            which is what a billed video looks like. Without this such a run is refused and changes nothing. For
            take_link and take_file: take the video even if its structure says that it is not whole.
        url: For take_link. Where the video can be downloaded. Prefect keeps what is typed here as it is, so whoever can
            see the run's parameters can download the video for as long as the link lives. No log, record or page
            repeats it. In Python pass a SecretStr, of which Prefect keeps asterisks only.
        path: For take_file. The path of the MP4 or MOV file on the machine of the run.

    Returns:
        The state of the record afterwards.

    Raises:
        BalanceContradicts: Not billed, and the balance fell by exactly the expected price; nothing was changed.
        ResolutionRefused: The resolution cannot be right; nothing was changed.
        KeyTaken: Another video is in the place of the one that was to be brought in.
        NotAVideo: The link leads to something else, which is kept in quarantine.
        StorageError: The link cannot be followed, or the store does not work.
        ConfigurationError: The budget store of the credentials cannot be used; nothing was changed.

    Examples:
        The vendor's console shows no task of that minute, and no bill:
        ```python
        from prefect_seedance import SeedanceCredentials, VideoStore, resolve_submission

        intent = "INTENT"  # from the error, the run's page or prefect-seedance journal --unknown
        store, credentials = VideoStore.load("catalogue"), SeedanceCredentials.load("studio")
        print(resolve_submission(intent, store, credentials, "not_billed"))
        ```
    """
    from prefect_seedance.flows.bodies.settling import resolve

    how = (task_id, attempt, any_model, any_age, despite_evidence)
    return run_to_end(lambda: resolve(intent, store, credentials, resolution, url, path, *how))
