"""From a ``Deploy`` message to tasks that can run: load the code, plan again, join the channels, open with state.

The plan made here must equal the JobManager's; a difference is refused with its name. Everything happens on the
data thread, before the first step, in a worker that serves only this deployment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from weir.config import JobOptions, OnError
from weir.errors import JobLoadError
from weir.graph.difference import first_difference
from weir.graph.logical import Partitioning
from weir.graph.partitioning import channels_of, is_overtaken
from weir.graph.physical import EdgeKind, PhysicalEdge, PhysicalPlan, PhysicalVertex, VertexKind
from weir.graph.plan import plan_with
from weir.ids import OperatorId, VertexId, WorkerId
from weir.operators.base import OperatorContext, RestoredState
from weir.operators.job_code import EdgeCode, JobCode
from weir.rpc import messages
from weir.state.backend import HEAP, StateBackend
from weir.taskmanager import in_flight
from weir.taskmanager.alignment import Alignment, AtLeastOnce, ExactlyOnce
from weir.taskmanager.chain import Chain
from weir.taskmanager.enumerators import EnumeratorTask
from weir.taskmanager.environment import TaskEnvironment
from weir.taskmanager.exchange.channels import CreditGate, InputChannel, LocalChannel, RemoteChannel
from weir.taskmanager.exchange.credit_windows import WindowRange, columns_window, fixed_window, rows_window
from weir.taskmanager.exchange.edge_output import EdgeOutput
from weir.taskmanager.exchange.network import ChannelNumbers, Endpoints, Network
from weir.taskmanager.exchange.outputs import make_output
from weir.taskmanager.in_flight import ChannelName, EdgeName
from weir.taskmanager.loop import AnyTask
from weir.taskmanager.overtaking import OvertakableChannel, OvertakingReader, OvertakingTask
from weir.taskmanager.reader import ReaderTask
from weir.taskmanager.receiving import edges_into
from weir.taskmanager.redistribution import (
    Receiver,
    ReceivingEdge,
    redistribute,
    redistribute_chained,
)
from weir.taskmanager.task import Task, TaskIdentity
from weir.taskmanager.unaligned import Unaligned

_Subtask = tuple[VertexId, int]


class StateReader(Protocol):
    """Reads what handles point at."""

    def read(self, restored: messages.RestoredOperator) -> RestoredState:
        """The blobs of one operator."""
        ...

    def read_in_flight(self, restored: messages.RestoredOperator) -> list[tuple[int, bytes]]:
        """What was on its way to it, by old subtask."""
        ...


@dataclass(frozen=True)
class Prepared:
    """A deployment that is joined but not open."""

    tasks: list[AnyTask]
    contexts: list[list[OperatorContext]]
    #: What each subtask receives, by edge.
    edges: Mapping[_Subtask, Mapping[EdgeName, ReceivingEdge]]
    endpoints: Endpoints


def check_plan(deploy: messages.Deploy, code: JobCode) -> None:
    """Refuse code that differs from what the JobManager planned. Raises ``JobLoadError``."""
    options = JobOptions.from_settings(deploy.settings)
    mine = plan_with(code.graph, options.pipeline)
    if mine.digest != deploy.plan.digest:
        raise JobLoadError(
            f"job {deploy.job.name}: the code that this worker loaded gives another plan than the "
            f"JobManager's: {first_difference(deploy.plan, mine)}; build() must give the same graph in every "
            "process (no random, time or host dependence)"
        )


class Builder:
    """Builds the tasks of one worker."""

    def __init__(
        self,
        deploy: messages.Deploy,
        code: JobCode,
        worker: WorkerId,
        env: TaskEnvironment,
        network: Network,
        backend: StateBackend = HEAP,
    ) -> None:
        self._backend = backend
        self._deploy = deploy
        self._plan: PhysicalPlan = deploy.plan
        self._code = code
        self._worker = worker
        self._env = env
        self._network = network
        self._options = JobOptions.from_settings(deploy.settings)
        self._numbers = ChannelNumbers(deploy.plan)
        self._where = {(ref.vertex, ref.index): ref for ref in deploy.placement}
        self._locations = {node.id: node.location for node in code.graph.nodes}
        policy = self._options.pipeline.on_error
        self._diverting = frozenset(
            node.id for node in code.graph.nodes if code.on_error.get(node.id, policy) is OnError.DEAD_LETTER
        )
        self._endpoints = Endpoints(env.clock.monotonic)
        self._inputs: dict[_Subtask, list[InputChannel]] = {}
        self._edges: dict[_Subtask, dict[EdgeName, ReceivingEdge]] = {}
        #: Input ends whose sender is in this worker, by channel number.
        self._local: dict[int, InputChannel] = {}

    def build(self) -> Prepared:
        """All tasks of this worker, in the order downstream first."""
        mine = {(task.vertex, task.index) for task in self._deploy.tasks}
        # In the same order in every process: whose credit goes first follows from it.
        for subtask in sorted(mine):
            self._inputs[subtask] = self._input_channels(subtask)
        order = {vertex.id: position for position, vertex in enumerate(self._plan.vertices)}
        tasks: list[AnyTask] = []
        contexts = []
        for vertex_id, index in sorted(mine, key=lambda s: (-order[s[0]], s[1])):
            vertex = self._plan.vertex(vertex_id)
            tasks.append(self._task(vertex, index))
            contexts.append(
                [self._context(vertex, index, position) for position in range(len(vertex.operators))]
            )
        return Prepared(tasks, contexts, self._edges, self._endpoints)

    def _input_channels(self, subtask: _Subtask) -> list[InputChannel]:
        channels: list[InputChannel] = []
        vertex, index = subtask
        edges = self._edges[subtask] = {}
        for position, edge, name in edges_into(self._plan, vertex):
            sender_vertex = self._plan.vertex(edge.source)
            numbers: list[int] = []
            edges[name] = ReceivingEdge(edge.partitioning, self._code.edges.get(edge.id, EdgeCode()), numbers)
            for source in range(sender_vertex.parallelism):
                if index not in self._targets(edge, source):
                    continue
                channel = self._input_channel(
                    len(channels), edge, ChannelName(name, source, sender_vertex.parallelism)
                )
                numbers.append(channel.index)
                channels.append(channel)
                number = channel.number = self._numbers.number(position, source, index)
                sender = self._where[(edge.source, source)].worker
                if sender == self._worker:
                    self._local[number] = channel
                else:
                    self._endpoints.add_input(number, channel, sender, self._window(edge))
        return channels

    def _input_channel(self, index: int, edge: PhysicalEdge, name: ChannelName) -> InputChannel:
        overtaken = self._options.checkpoints.unaligned and edge.kind is EdgeKind.DATA
        if overtaken and is_overtaken(edge.partitioning):
            return OvertakableChannel(index, edge.input_index, name, self._window(edge).smallest)
        return InputChannel(index, edge.input_index, window=self._window(edge).smallest)

    def _window(self, edge: PhysicalEdge) -> WindowRange:
        """Of a channel, the same at both ends."""
        if edge.kind is not EdgeKind.DATA:
            return fixed_window()
        channels = max(self._plan.vertex(end).parallelism for end in (edge.source, edge.target))
        columns = self._code.edges.get(edge.id, EdgeCode()).key_columns
        return columns_window(channels) if columns else rows_window(channels)

    def _targets(self, edge: PhysicalEdge, source: int) -> list[int]:
        targets = self._plan.vertex(edge.target).parallelism
        if edge.kind is EdgeKind.SPLITS:
            return list(range(targets))
        sources = self._plan.vertex(edge.source).parallelism
        return channels_of(edge.partitioning, sources, targets, source)

    def _task(self, vertex: PhysicalVertex, index: int) -> AnyTask:
        identity = TaskIdentity(self._deploy.execution, vertex, index)
        credit = CreditGate(self._env.clock.monotonic)
        if vertex.kind is VertexKind.ENUMERATOR:
            source = self._code.sources[vertex.operators[0].node]
            position, edge = next((i, e) for i, e in enumerate(self._plan.edges) if e.source == vertex.id)
            return EnumeratorTask(identity, source, self._senders(position, edge, index, credit), self._env)
        operators = [self._code.factories[op.node]() for op in vertex.operators]
        outputs = self._outputs(vertex, index, credit)
        chain = Chain(vertex, operators, outputs, self._locations, self._diverting)
        channels = self._inputs[(vertex.id, index)]
        checkpoints = self._options.checkpoints
        if vertex.kind is VertexKind.READER:
            reader = OvertakingReader if checkpoints.unaligned else ReaderTask
            return reader(identity, chain, channels, self._alignment(len(channels)), credit, self._env)
        overtakable = frozenset(one.index for one in channels if isinstance(one, OvertakableChannel))
        if not overtakable:
            return Task(identity, chain, channels, self._alignment(len(channels)), credit, self._env)
        unaligned = Unaligned(len(channels), overtakable=overtakable)
        return OvertakingTask(
            identity, chain, channels, unaligned, credit, self._env, timeout=checkpoints.aligned_timeout
        )

    def _alignment(self, channels: int) -> Alignment:
        if self._options.checkpoints.exactly_once:
            return ExactlyOnce(channels)
        return AtLeastOnce(channels)

    def _outputs(
        self, vertex: PhysicalVertex, index: int, credit: CreditGate
    ) -> list[tuple[int, str | None, EdgeOutput]]:
        outputs: list[tuple[int, str | None, EdgeOutput]] = []
        for position, edge in enumerate(self._plan.edges):
            if edge.source != vertex.id:
                continue
            target = self._plan.vertex(edge.target)
            output = make_output(
                edge.partitioning,
                self._senders(position, edge, index, credit),
                self._code.edges.get(edge.id, EdgeCode()),
                label=f"'{target.operators[0].name}'",
                location=self._locations[target.operators[0].node],
                max_parallelism=target.max_parallelism,
                subtask=index,
            )
            output.target, output.subtasks = edge.target, self._targets(edge, index)
            outputs.append((edge.source_operator, edge.side_tag, output))
        return outputs

    def _senders(
        self, position: int, edge: PhysicalEdge, source: int, credit: CreditGate
    ) -> list[LocalChannel | RemoteChannel]:
        senders: list[LocalChannel | RemoteChannel] = []
        for target in self._targets(edge, source):
            number = self._numbers.number(position, source, target)
            peer = self._where[(edge.target, target)]
            if peer.worker == self._worker:
                senders.append(LocalChannel(self._local[number], credit))
                continue
            link = self._network.connect(self._deploy.execution, peer.worker, peer.data_address)
            channel = RemoteChannel(number, link.send, credit, self._window(edge).smallest)
            self._endpoints.outputs[number] = channel
            senders.append(channel)
        return senders

    def _context(self, vertex: PhysicalVertex, index: int, position: int) -> OperatorContext:
        operator = vertex.operators[position]
        execution = self._deploy.execution
        return OperatorContext(
            job_id=execution.job_id,
            job_name=self._deploy.job.name,
            operator_id=operator.operator_id,
            name=operator.name,
            uid=operator.uid,
            subtask_index=index,
            parallelism=vertex.parallelism,
            max_parallelism=vertex.max_parallelism,
            epoch=execution.epoch,
            attempt=execution.attempt,
            keyed=position == 0
            and all(
                edge.partitioning is Partitioning.HASH
                for edge in self._plan.edges
                if edge.target == vertex.id
            ),
            location=self._locations[operator.node],
            clock=self._env.clock,
            backend=self._backend,
            wake=self._env.wake,
            run_async=self._env.run_async,
        )


def open_tasks(prepared: Prepared, deploy: messages.Deploy, state: StateReader) -> None:
    """Read state and open every task, downstream first, with what was on its way. Raises what storage or user code raised."""
    restored = {
        (task.vertex, task.index): {operator.operator_id: operator for operator in task.restored}
        for task in deploy.tasks
    }
    for task, contexts in zip(prepared.tasks, prepared.contexts, strict=True):
        mine = restored[(task.identity.vertex.id, task.identity.index)]
        states: list[RestoredState | None] = []
        for operator in task.identity.vertex.operators:
            found = mine.get(operator.operator_id)
            states.append(None if found is None else state.read(found))
        task.open(contexts, states)
        if isinstance(task, Task):
            edges = prepared.edges[(task.identity.vertex.id, task.identity.index)]
            _restore_in_flight(task, mine, edges, state)


def _restore_in_flight(
    task: Task,
    restored: Mapping[OperatorId, messages.RestoredOperator],
    edges: Mapping[EdgeName, ReceivingEdge],
    state: StateReader,
) -> None:
    """Give a subtask what was on its way to it. Raises ``SnapshotMismatch`` when rows would be lost."""
    vertex = task.identity.vertex
    for position, operator in enumerate(vertex.operators):
        old = restored.get(operator.operator_id)
        found = (
            [] if old is None else [(old, in_flight.decode(data)) for old, data in state.read_in_flight(old)]
        )
        if not found:
            continue
        receiver = Receiver(
            f"'{operator.name}'", task.identity.index, vertex.parallelism, vertex.max_parallelism
        )
        if operator.upstream is None:
            task.restore_in_flight(redistribute(found, receiver, edges))
        else:
            source = vertex.operators[operator.upstream].operator_id
            rows = redistribute_chained(found, receiver, source, operator.side_tag)
            task.restore_chained(position, rows)
