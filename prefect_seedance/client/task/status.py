"""What the word for a task's status means: a table of the vendor's words, and of those of kindred gateways.

The vendor's words are those of ``api-contract``, section 3. The others were read in the documents of new-api and
one-api (``NOT_START``, ``IN_PROGRESS``, ``SUCCESS``, ``FAILURE``), Volcengine Ark (``running``, ``succeeded``,
``expired``), Kling (``succeed``), MiniMax (``Preparing``, ``Queueing``, ``Fail``), Kie (``waiting``, ``generating``),
fal (``IN_QUEUE``), Replicate (``starting``, ``aborted``), Runway (``THROTTLED``) and Novita
(``TASK_STATUS_SUCCEED``): a gateway in front of the vendor passes on its own, or those of whatever stands behind.

A word that is not in the table means still running. Numbers are in no table: 2 is a success with one gateway and a
failure with another.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from prefect_seedance.client.exchange import text_of

VideoState = Literal["running", "completed", "failed", "canceled"]

# Failed and canceled end a wait for good, and a failure may be followed by another paid submission: only words that
# nobody uses for something that may pass stand there.
_WORDS: Mapping[VideoState, str] = {
    "running": """
        queued queueing queuing inqueue pending waiting wait submitted submitting created accepted scheduled staged
        notstart notstarted starting started preparing throttled processing inprocess inprocessing running inprogress
        progress generating rendering dreaming working 排队中 等待中 已提交 处理中 生成中 进行中 运行中
    """,
    "completed": """
        completed complete success succeeded succeed successful done finished finish 成功 已成功 完成 已完成
    """,
    "failed": "failed failure fail expired rejected 失败 已失败 生成失败 已过期 已拒绝",
    "canceled": "canceled cancelled cancel aborted revoked 已取消",
}
_STATES: Mapping[str, VideoState] = {word: state for state, words in _WORDS.items() for word in words.split()}
#: Words of a failure that some gateways also use for a fault that passes: they end no task.
_DOUBTFUL = frozenset(
    {
        *("error", "errored", "exception", "timeout", "timedout"),
        *("interrupted", "stopped", "terminated", "lost", "错误", "异常", "超时"),
    }
)
# What some put before each of their words.
_PREFIXES = (
    *("taskstatus", "jobstatus", "videostatus", "taskstate", "jobstate", "status", "state"),
    *("videogeneration", "task", "job", "video", "任务", "视频生成", "视频", "生成"),
)

#: Names of the field, the documented one first.
STATUS_FIELDS = ("status", "task_status", "taskStatus", "state", "job_status", "video_status")
#: Where a task's own account may stand within a payload.
_INSIDE = ("task", "data", "output", "result", "response", "video")
#: Longest word that is shown.
_LONGEST_WORD = 80


def state_of(status: str) -> VideoState | None:
    """Return what a status means, None if it is not known.

    Example:
        >>> [state_of(word) for word in (" Completed ", "IN-PROGRESS", "TASK_STATUS_SUCCEED", "FAILURE", "error", "2")]
        ['completed', 'running', 'completed', 'failed', None, None]
    """
    return None if status.startswith(("{", "[")) else _STATES.get(_plain(status))


def may_be_failed(status: str) -> bool:
    """Return whether a status that is not known is a word that may mean a failure, and may mean a fault that passes."""
    return _plain(status) in _DOUBTFUL


def status_of(data: Mapping[str, JsonValue], levels: int = 3) -> str:
    """Read the status of a task, wherever a payload has it; "" if it has none.

    The outermost word counts: what stands further in may be of a service behind, whose failure is not yet the
    gateway's. A number gives way to a word, since it may be that of HTTP. What is neither text nor number is shown as
    JSON, to be named as not known.

    Example:
        >>> status_of({"status": 200, "data": {"task_status": "SUCCESS"}})
        'SUCCESS'
    """
    given = [value for name in STATUS_FIELDS if (value := data.get(name)) not in (None, "", [], {})]
    words = [text for value in given if (text := text_of(value))]
    if word := next((text for text in words if not text.lstrip("-").isdigit()), ""):
        return word
    for name in _INSIDE if levels else ():
        value = data.get(name)
        alone = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(alone, dict) and (word := status_of(alone, levels - 1)):
            return word
    return words[0] if words else json.dumps(given[0], ensure_ascii=False)[:_LONGEST_WORD] if given else ""


def _plain(status: str) -> str:
    """Leave letters and digits alone: without case, separators and what stands around."""
    folded = unicodedata.normalize("NFKC", status).casefold()
    word = "".join(letter for letter in folded if letter.isalnum())
    for prefix in _PREFIXES if word not in _STATES else ():
        rest = word.removeprefix(prefix)
        if rest in _STATES or rest in _DOUBTFUL:
            return rest
    return word
