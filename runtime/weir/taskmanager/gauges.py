"""What a subtask looks like at the moment of a report: how full its channels are, its output watermark, its timers.

``Task.metrics`` asks once a second; nothing here is on the way of a row. The loop adds what concerns its mailbox.
"""

from __future__ import annotations

from weir.connectors.source import Pending
from weir.operators.source import SourceOperator
from weir.records import MIN_TIMESTAMP
from weir.rpc.task_gauges import TaskGauges
from weir.taskmanager.chain import Chain
from weir.taskmanager.gate import InputGate


def gauges(chain: Chain, gate: InputGate, watermark: int, now: float) -> TaskGauges:
    """``now``: monotonic seconds. ``watermark``: of the subtask's input; a chain without outputs lets it through as it is."""
    head = chain.operators[0]
    sent = [output.watermark for output in chain.outputs]
    pending = head.pending() if isinstance(head, SourceOperator) else Pending()
    last = max(sent, default=watermark)
    inputs = [(channel.queued_bytes, channel.window) for channel in gate.channels]
    sending = [(channel.used(), channel.window) for output in chain.outputs for channel in output.channels]
    return TaskGauges(
        input_used=_share(inputs),
        output_used=_share(sending),
        window_bytes=max((window for _, window in inputs + sending), default=0),
        output_watermark=None if last == MIN_TIMESTAMP else last,
        timers_fired=sum(operator.timers_fired for operator in chain.operators),
        late_dropped=sum(operator.late_rows for operator in chain.operators),
        dead_letters=chain.dead_letters,
        slowest=chain.most_starved.since_last(now),
        pending_records=pending.records,
        pending_bytes=pending.bytes,
        emit_lag_ms=head.emit_lag_ms if isinstance(head, SourceOperator) else None,
    )


def _share(found: list[tuple[int, int]]) -> float:
    """What is used of the windows of some channels; a channel may be overdrawn by one batch."""
    if not found:
        return 0.0
    share = sum(used for used, _ in found) / sum(window for _, window in found)
    return round(min(1.0, max(0.0, share)), 4)
