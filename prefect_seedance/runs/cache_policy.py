"""The cache policy of ``create_video``: a key of strings that we compute, and nothing else.

Prefect's own policies would put blocks (whose secrets hash as asterisks) and the task's source (which changes with
every release) into the key, and two equal requests of one run would collapse. A key that cannot be computed
silently turns persistence off, so everything here is plain text, and nothing is asked of a store or a server.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext

if TYPE_CHECKING:
    from prefect_seedance.pipeline.order import Order


@dataclass
class IntentPolicy(CachePolicy):
    """One persisted result per journal, intent and attempt.

    In the key: the journal's own id (not its location, which may mean another folder on another machine), the intent
    (request, take, scope, account) and the attempt. Out of it: the API key, the host, the blocks' names and the version
    of this package.

    A call without an order has neither scope nor journal id yet, and no key: it works them out and calls itself.
    """

    def compute_key(
        self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Compute the key from the task's inputs."""
        order = cast("Order | None", inputs["order"])
        if order is None:
            return None
        parts = [inputs["journal_id"], order.intent, inputs["attempt"]]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return f"seedance-create-{digest}"
