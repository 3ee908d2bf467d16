"""How a run without its video is told: its state, its log, and the page of an unknown submission."""

from __future__ import annotations

import asyncio
import logging
import re
import sys

import pytest
from prefect import flow, task
from prefect.exceptions import ParameterTypeError
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

from prefect_seedance import VideoRequest, generate_video
from prefect_seedance.client.errors import InvalidRequest, OutcomeUnknown, SeedanceError, VideoFailed
from prefect_seedance.journal.record import Attempt, Record, Run
from prefect_seedance.pipeline.errors import VideoNotStored, WaitStopped
from prefect_seedance.runs.ends.links import form_of_run, form_url, settling_form
from prefect_seedance.runs.ends.log_lines import FLOWS, REFUSED, TASKS, tell_errors_once
from prefect_seedance.runs.ends.settled_page import said_before, settled_markdown, ways_on
from prefect_seedance.runs.ends.state import failed_state, state_words
from prefect_seedance.runs.ends.unknown_page import unknown_markdown
from prefect_seedance.runs.notifications.messages import NoVideo
from prefect_seedance.runs.pages.run_page import failure_markdown
from prefect_seedance.runs.run_names import step_name, take_words
from tests.client.wire_server import Reply, WireServer, answer
from tests.runs.test_messages import INTENT, unknown

RULE = "duration: 99 s, but Mini makes 4-15 s. Choose 4 to 15 seconds."
PAGE = "https://prefect.example.com/artifacts/artifact/1"


# The state.


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (unknown("/data"), f"SubmissionUnknown: perhaps paid, see {PAGE} for how a person settles it"),
        (InvalidRequest([RULE]), f"InvalidRequest: nothing was sent or paid. {RULE} See {PAGE} for more."),
        (
            InvalidRequest([RULE, "b"]),
            f"InvalidRequest: nothing was sent or paid. {RULE} And 1 more. See {PAGE} for more.",
        ),
        (SeedanceError("It is short.\nReally."), "SeedanceError: It is short. Really."),
        (SeedanceError(f"One. {'Two ' * 300}. Three."), f"SeedanceError: One. See {PAGE} for more."),
    ],
)
def test_a_state_is_a_sentence_or_two_with_a_link_to_the_rest(error: Exception, said: str) -> None:
    assert state_words(error, PAGE) == said


@pytest.mark.parametrize("error", [InvalidRequest([RULE]), OutcomeUnknown("lost"), VideoFailed("v", "no", "unknown")])
def test_a_state_is_short_and_on_one_line_where_there_is_no_page(error: Exception) -> None:
    assert len(state_words(error)) < 700 and state_words(error).isprintable()


@pytest.mark.parametrize("error", [InvalidRequest([RULE]), RuntimeError("x")])
def test_outside_of_a_flow_of_ours_an_error_is_raised_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        failed_state(error)
    assert raised.value is error


# The log.


def record(logger: str, message: str, error: Exception | None = None, **facts: str) -> logging.LogRecord:
    try:
        if error is not None:
            raise error
    except Exception:
        caught = sys.exc_info()
    else:
        caught = None
    made = logging.getLogger(logger).makeRecord(logger, logging.INFO, "", 0, message, (), caught, extra=facts)
    return made


def passes(made: logging.LogRecord) -> bool:
    return bool(logging.getLogger(made.name).filter(made))


@pytest.fixture(autouse=True)
def filters() -> None:
    tell_errors_once()
    tell_errors_once()  # a second time changes nothing
    for name in ("prefect.task_runs", "prefect.flow_runs"):
        kinds = [type(each) for each in logging.getLogger(name).filters]
        assert len(kinds) == len(set(kinds)) or name == "prefect.task_runs"


OURS = {"flow_name": "generate-video"}
THEIRS = {"flow_name": "their-flow"}
OF_TASK = {**OURS, "task_name": "create-video"}


@pytest.mark.parametrize("error", [InvalidRequest([RULE]), ParameterTypeError(RULE)])
@pytest.mark.parametrize(
    ("logger", "message", "facts"),
    [
        ("prefect.task_runs", "Task run failed with exception: x", OF_TASK),
        ("prefect.flow_runs", "Encountered exception during execution: %r", OURS),
        ("prefect.flow_runs", "Engine execution exited with unexpected exception", {"flow_name": "<unknown>"}),
        ("prefect.flow_runs", "Engine execution exited with unexpected exception", OURS),
    ],
)
def test_no_traceback_of_an_error_of_ours_is_logged(
    error: Exception, logger: str, message: str, facts: dict[str, str]
) -> None:
    assert not passes(record(logger, message, error, **facts))
    assert passes(record(logger, message, RuntimeError("a surprise"), **facts)), "an error that is not ours keeps it"
    assert passes(record(logger, message, error, **THEIRS)), "a flow of others says where it called us"


@pytest.mark.parametrize("kind", [WaitStopped, VideoNotStored])
def test_an_error_that_only_says_where_the_details_are_keeps_its_traceback(
    kind: type[WaitStopped] | type[VideoNotStored],
) -> None:
    logger, line = "prefect.task_runs", "Task run failed with exception: x"
    told, surprised = kind("videos_1", "The disk is full.", "Run it again."), kind("videos_1", "a fault.", "Report it.")
    told.__cause__, surprised.__cause__ = SeedanceError("The disk is full."), AssertionError("a mistake of ours")
    assert not passes(record(logger, line, told, **OF_TASK))
    assert passes(record(logger, line, surprised, **OF_TASK))


def test_what_somebody_else_logs_is_not_even_worded() -> None:
    class Unwordable:
        def __str__(self) -> str:
            raise RuntimeError("worded")

    made = record("prefect.flow_runs", "", **OURS)
    made.msg = Unwordable()  # type: ignore[assignment]
    assert passes(made)


def test_the_flows_own_line_says_it_and_is_an_error() -> None:
    said = record("prefect.flow_runs", f"Finished in state Failed('InvalidRequest: {RULE}')", **OURS)
    assert passes(said) and said.levelno == logging.ERROR and RULE in said.getMessage()
    of_task = "Finished in state Failed('Task run encountered an exception InvalidRequest: ...')"
    within = record("prefect.task_runs", of_task, **OF_TASK)
    assert passes(within) and within.getMessage() == "Finished in state Failed(InvalidRequest)"
    elsewhere = record("prefect.task_runs", of_task, **{**OF_TASK, **THEIRS})
    assert passes(elsewhere) and elsewhere.getMessage() == of_task, "nothing else says it there"


def test_refused_parameters_are_logged_in_one_line_without_their_values(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("prefect.flows", "prefect.engine"):
        # Prefect may have them hand nothing on to the one that is listened to.
        logging.getLogger(name).addHandler(caplog.handler)
    wrong = {"prompt": "A secret boat", "ratio": "7:3"}
    try:
        with pytest.raises(ParameterTypeError):
            generate_video.validate_parameters({"request": wrong, "credentials": None, "store": None})
        engine = logging.getLogger("prefect.engine")
        engine.error("%s %s", "Validation of flow parameters failed with error:", f"{REFUSED} {RULE}")
        engine.info(f"Finished in state Failed('Validation of flow parameters failed: {REFUSED} {RULE}')")
        engine.error("Another error.")
    finally:
        for name in ("prefect.flows", "prefect.engine"):
            logging.getLogger(name).removeHandler(caplog.handler)
    said = dict.fromkeys((each.levelno, each.getMessage()) for each in caplog.records)
    (level, ended), other = said
    assert level == logging.ERROR and ended.startswith("Finished in state Failed") and RULE in ended
    assert other == (logging.ERROR, "Another error.")
    theirs = record("prefect.flows", "Parameter validation failed for flow 'their-flow': x\nParameters: y")
    assert passes(theirs), "a flow of others keeps its lines"


def test_every_flow_and_every_task_of_the_package_is_known_by_its_name() -> None:
    import prefect_seedance

    public = [getattr(prefect_seedance, name) for name in prefect_seedance.__all__]
    flows = {each.name for each in public if type(each) is type(flow(lambda: None))}
    tasks = {each.name for each in public if type(each) is type(task(lambda: None))}
    assert flows == FLOWS
    assert tasks - {"send-notifications"} <= TASKS


# The page of an unknown submission.


def test_an_unknown_submission_says_what_happened_then_the_balance_then_each_way_with_its_command() -> None:
    balance = "The account's balance fell by exactly the expected price: probably billed. It was 12 and 11.75."
    page = unknown_markdown(unknown("/data", balance), "seedance2.0-mini", "https://prefect.example.com/form")
    order = [
        "**What happened:**",
        "**What the balance says:** The account's balance fell by exactly the expected price: probably billed.",
        "[by this form](<https://prefect.example.com/form>)",
        "## The task is there: attach it",
        f"\n\n`prefect-seedance resolve {INTENT} --store /data --task-id ... --attempt 1-3f9a1c04`\n\n",
        "## There is no task and no bill: not billed",
        f"\n\n`prefect-seedance resolve {INTENT} --store /data --not-billed --attempt 1-3f9a1c04`\n\n",
        "## Give it up: abandon",
        f"\n\n`prefect-seedance resolve {INTENT} --store /data --abandon --attempt 1-3f9a1c04`\n\n",
        "## You have the video: bring it in",
    ]
    places = [page.index(part) for part in order]
    assert places == sorted(places)
    assert "```" not in page, "a block scrolls"
    assert max(map(len, re.findall(r"^#+ (.*)$", page, re.MULTILINE))) < 50, "an intent in a headline does not wrap"


@pytest.mark.parametrize("error", [RuntimeError("x"), VideoFailed("videos_1", "no\nprefect-seedance x", "transient")])
def test_no_words_of_a_failure_stand_in_a_block_that_scrolls(error: Exception) -> None:
    page = failure_markdown(NoVideo(error, advice="Retry it."), VideoRequest(prompt="A boat"))
    assert "```" not in page


# What was settled.


def test_a_settled_submission_says_what_it_is_now_and_what_to_do_next() -> None:
    settled = Record.model_construct(intent=INTENT)
    page = settled_markdown(settled, "ready", ["Run the same request again: it is submitted and paid for anew."])
    assert page.startswith("# Settled: it was not billed, and may be submitted again\n\nRun the same request again")
    assert settled_markdown(settled, "lost", []).startswith("# Settled: it was given up")
    assert settled_markdown(settled, "new-state", []).startswith("# Settled: the record is new-state")


def test_a_page_that_is_settled_no_longer_says_how_to_settle() -> None:
    asked = VideoRequest(prompt="A boat")
    page = failure_markdown(NoVideo(unknown("/data", "The balance did not change.")), asked, "https://p.example.com/f")
    once = said_before(page)
    assert "**What happened:**" in once and "A boat" in once
    assert "prefect-seedance resolve" not in once and "p.example.com" not in once and "a person has to" not in once
    assert said_before(f"# Settled\n\n---\n\n{once}") == once, "settled again, it is not said twice"


def test_what_only_one_run_shares_leads_to_that_run_and_to_no_form_that_would_pay_for_another_video() -> None:
    run = Run(id="0198", name="nightly", url="https://prefect.example.com/runs/flow-run/0198")
    attempt = Attempt.model_construct(run=run)
    record = Record.model_construct(intent=INTENT, scope="run:0198", attempts=[attempt])
    with temporary_settings({PREFECT_UI_URL: "https://prefect.example.com"}):
        ways = asyncio.run(ways_on(record, "submitted"))
        given_up = asyncio.run(ways_on(record, "lost"))
    assert ways.startswith("**[Retry its run](<https://prefect.example.com/runs/flow-run/0198>)**")
    assert "parameters" not in ways and "Run it again" not in ways
    assert "**" not in given_up and "The run that asked for it: nightly" in given_up


def test_a_link_to_a_form_is_filled_in_and_never_with_what_opens_an_address() -> None:
    asked = {"request": {"prompt": "100 % & more"}}
    signed = {"request": {"images": ["https://a.example.com/b.png?X-Amz-Signature=1f0c5d"]}}
    with temporary_settings({PREFECT_UI_URL: "https://prefect.example.com"}):
        form, bare = form_url("0198", asked), form_url("0198", signed)
    assert form.startswith("https://prefect.example.com/deployments/deployment/0198/run?parameters=%7B%22request%22")
    assert "&" not in form.partition("?")[2]
    assert bare == "https://prefect.example.com/deployments/deployment/0198/run"


def test_a_link_to_a_form_that_would_be_too_long_for_a_server_is_one_to_the_empty_form() -> None:
    with temporary_settings({PREFECT_UI_URL: "https://prefect.example.com"}):
        long = form_url("0198", {"requests": [{"prompt": "A boat " * 20}] * 200})
    assert long == "https://prefect.example.com/deployments/deployment/0198/run"


@pytest.mark.parametrize("reply", [answer(403, {"detail": "no"}), answer(200, body=b"<html>"), answer(404, {})])
def test_a_form_that_cannot_be_looked_up_does_not_keep_the_page_back(reply: Reply) -> None:
    with (
        WireServer([reply]) as server,
        temporary_settings({PREFECT_API_URL: f"{server.url}/api", PREFECT_UI_URL: "https://prefect.example.com"}),
    ):
        assert asyncio.run(settling_form(INTENT, "1-3f9a1c04", {})) == ""
        assert asyncio.run(form_of_run("0198d3a2-0000-7000-8000-000000000000")) == ""


# Names.


def test_two_takes_of_a_request_have_runs_of_different_names() -> None:
    name = step_name("create-video")
    names = {name(parameters={"request": VideoRequest(prompt="A boat", take=take)}) for take in ("1", "2", "3")}  # type: ignore[call-arg]
    assert len(names) == 3
    assert take_words("1") == "" and take_words("x\n" * 40).isprintable()
