"""The steps of one video, loaded together: by the first task that needs one, and before anything is paid for.

Importing a flow is to cost little more than Prefect itself, so the tasks import this module in their bodies. One
module loads all of them: the step that stores a paid video must not turn out to be broken, or of another version.
"""

from prefect_seedance.pipeline.deliver import deliver
from prefect_seedance.pipeline.order import place_order
from prefect_seedance.pipeline.submit.background import in_background
from prefect_seedance.pipeline.submit.preparation import follower_of, identify, prepare_ahead
from prefect_seedance.pipeline.submit.submit import submit
from prefect_seedance.pipeline.watch.watcher import watch

__all__ = ["deliver", "follower_of", "identify", "in_background", "place_order", "prepare_ahead", "submit", "watch"]
