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


@dataclass
class IntentPolicy(CachePolicy):
    """One persisted result per store and intent.

    In the key: where the store is, and the intent (request, take, scope, account). Out of it: the API key, the host,
    the blocks' names and the version of this package.
    """

    def compute_key(
        self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Compute the key from the task's inputs."""
        intent = intent_of(inputs["request"], scope=inputs["scope"], account=inputs["credentials"].account)
        parts = [inputs["store"].location, intent]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return f"seedance-create-{digest}"
