"""What people and programs do with executions: start, kill, pause, resume, restart, replay, change, delete. One function each."""

from flows.operations.executions.corrections import (
    change_execution_status,
    change_task_run_state,
    delete_execution,
    eval_expression,
    kill_execution,
    list_callees,
    render_inputs,
    set_execution_labels,
)
from flows.operations.executions.reach import (
    act_on_execution,
    get_execution,
)
from flows.operations.executions.starts import (
    InputsRefusedError,
    list_failing_checks,
    replay_execution,
    restart_execution,
    start_execution,
    validate_inputs,
)
from flows.operations.executions.waits import (
    force_run_execution,
    pause_execution,
    resume_execution,
    review_execution,
    unqueue_execution,
)

__all__ = [
    "InputsRefusedError",
    "act_on_execution",
    "change_execution_status",
    "change_task_run_state",
    "delete_execution",
    "eval_expression",
    "force_run_execution",
    "get_execution",
    "kill_execution",
    "list_callees",
    "list_failing_checks",
    "pause_execution",
    "render_inputs",
    "replay_execution",
    "restart_execution",
    "resume_execution",
    "review_execution",
    "set_execution_labels",
    "start_execution",
    "unqueue_execution",
    "validate_inputs",
]
