"""The cache policy of ``create_video``: a key of strings that we compute, and nothing else.

Prefect's own policies would put blocks (whose secrets hash as asterisks) and the task's source (which changes with
every release) into the key, and two equal requests of one run would collapse. A key that cannot be computed
silently turns persistence off, so everything here is plain text.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext

from prefect_seedance.journal.identity import intent_of
from prefect_seedance.tasks.scope import resolve_scope


@dataclass
class IntentPolicy(CachePolicy):
    """One persisted result per journal, intent and attempt.

    In the key: the journal's own id (not its location, which may mean another folder on another machine), the intent
    (request, take, scope, account) and the attempt. Out of it: the API key, the host, the blocks' names and the version
    of this package.
    """

    def compute_key(
        self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Compute the key from the task's inputs."""
        scope = inputs["scope"]
        if scope is None:
            scope = resolve_scope(inputs["options"])
        intent = intent_of(inputs["request"], scope=scope, account=inputs["credentials"].account)
        parts = [inputs["store"].journal_id(), intent, inputs["attempt"]]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return f"seedance-create-{digest}"
