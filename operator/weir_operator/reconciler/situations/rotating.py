"""Certificates of a live run go over to another slot long before they end, while it runs: see ADR 0027.

What there is, the JobManager tells, for the operator never reads a Secret. A slot is issued ahead of its time, so that kubelets
have brought it everywhere when it is presented, and the one before it goes when all processes take the new one and have
presented it for a while. The status has the intent before each step. It is not needed: a slot that was issued already is
answered 409, one that is gone 404, and the rest the next report says.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from weir_operator.models.memory import Certificates, Rotation
from weir_operator.observed import CertificateSlot, PodFacts
from weir_operator.reconciler.actions import IssueCertificates, RetireCertificates
from weir_operator.reconciler.moment import Draft, Moment

#: Of a slot's time: when the next one is issued, how long before it is presented, and how long both stay after that.
#: With ``AFTER`` they leave an eighth for what is late.
ROTATE, AHEAD, AFTER = 2 / 3, 1 / 6, 1 / 24
#: Kubelets need a minute or two, and clocks of nodes differ less than this.
MOST_AHEAD, MOST_AFTER = timedelta(minutes=10), timedelta(minutes=5)
#: A step whose effect is not seen is repeated after this.
RETRY = timedelta(minutes=1)
_OTHER = {"a": "b", "b": "a"}
_FIRST = "a"
#: Of what a process of the engine says last that found no certificate, as ``weir.rpc.tls`` has it.
NO_CERTIFICATE = "holds no certificate that is valid now"


def rotate(moment: Moment, draft: Draft) -> None:
    """The next step, if it is time for one; and what somebody deleted is made again when a pod cannot start without it."""
    _replace_missed(moment, draft)
    deployed = draft.deployed
    report = moment.report(None if deployed is None else deployed.run)
    if deployed is None or report is None:
        return
    known = draft.status.certificates
    if known is not None and known.run != deployed.run:
        known = None
        draft.record(certificates=None)
    held = sorted(
        (slot for slot in report.certificates if slot.slot in _OTHER), key=lambda slot: slot.not_before
    )
    if not held:
        if known is not None:  # somebody deleted them; the processes still have what they had
            _issue(moment, draft, known, known.slot, at_once=True)
        return
    oldest, newest = held[0], held[-1]
    rotation = known.rotation if known is not None else None
    told = Certificates(
        run=deployed.run,
        slot=oldest.slot,
        not_before=oldest.not_before,
        not_after=oldest.not_after,
        rotation=rotation,
    )
    if oldest is not newest:
        _retire(moment, draft, told, newest)
    elif moment.now >= (due := oldest.not_before + lifetime_of(oldest) * ROTATE):
        _issue(moment, draft, told, _OTHER[oldest.slot])
    else:
        draft.record(certificates=told.model_copy(update={"rotation": None}))
        draft.look_again(due - moment.now)


def _replace_missed(moment: Moment, draft: Draft) -> None:
    """A pod that starts needs certificates now. Where the Secret is there after all, making it is refused and nothing changes."""
    known = draft.status.certificates
    for run in moment.observed.runs.values():
        if any(map(_misses_certificates, run.pods)):
            slot = known.slot if known is not None and known.run == run.run else _FIRST
            draft.do(IssueCertificates(run=run.run, slot=slot, not_before=moment.now))


def _misses_certificates(pod: PodFacts) -> bool:
    return pod.deleting_since is None and any(
        not container.ready
        and container.exit_code not in {None, 0}
        and NO_CERTIFICATE in (container.exit_message or "")
        for container in pod.containers
    )


def lifetime_of(slot: CertificateSlot) -> timedelta:
    """From when it is presented to its end."""
    return slot.not_after - slot.not_before


def _issue(moment: Moment, draft: Draft, told: Certificates, slot: str, *, at_once: bool = False) -> None:
    """Make a slot; again and again until it is seen, each time with time enough to be brought.

    ``at_once``: there is no other one, and pods that start wait for it; what is connected stays.
    """
    rotation = told.rotation
    if rotation is None or rotation.slot != slot or moment.now >= rotation.tried_at + RETRY:
        ahead = timedelta() if at_once else min(MOST_AHEAD, (told.not_after - told.not_before) * AHEAD)
        begins = moment.now + ahead
        late = rotation is not None and rotation.late
        rotation = Rotation(slot=slot, not_before=begins, tried_at=moment.now, late=late)
        draft.do(IssueCertificates(run=told.run, slot=slot, not_before=begins))
    draft.record(certificates=told.model_copy(update={"rotation": rotation}))
    _watch(moment, draft, f"slot {slot} is not seen in the pods")


def _retire(moment: Moment, draft: Draft, told: Certificates, newest: CertificateSlot) -> None:
    """Both are there: the older one goes when nobody needs it."""
    rotation = told.rotation
    if rotation is None or rotation.slot != newest.slot:
        rotation = Rotation(slot=newest.slot, not_before=newest.not_before, tried_at=newest.not_before)
    ready = newest.not_before + min(MOST_AFTER, lifetime_of(newest) * AFTER)
    if newest.everywhere and moment.now >= ready and moment.now >= rotation.tried_at + _pause(rotation):
        if not rotation.retiring:
            draft.say(
                "CertificatesRotated",
                f"run {told.run}: certificates of slot {newest.slot} are presented, until {_said(newest.not_after)} at the latest; "
                f"those of slot {told.slot} are taken no more",
            )
        rotation = rotation.model_copy(update={"tried_at": moment.now, "retiring": True})
        draft.do(RetireCertificates(run=told.run, slot=told.slot))
    draft.record(certificates=told.model_copy(update={"rotation": rotation}))
    if moment.now < ready:
        draft.look_again(ready - moment.now)
    else:
        _watch(moment, draft, f"slot {newest.slot} is not in all pods yet")


def _pause(rotation: Rotation) -> timedelta:
    return RETRY if rotation.retiring else timedelta()


def _watch(moment: Moment, draft: Draft, what: str) -> None:
    """Look again soon; say so once when time runs out."""
    told = draft.status.certificates
    assert told is not None
    assert told.rotation is not None
    draft.look_again(RETRY)
    last = told.not_after - (told.not_after - told.not_before) * (AFTER * 2)
    if moment.now >= last and not told.rotation.late and not told.rotation.retiring:
        draft.record(
            certificates=told.model_copy(update={"rotation": told.rotation.model_copy(update={"late": True})})
        )
        draft.say(
            "CertificatesLate",
            f"run {told.run}: {what}, and those of slot {told.slot} end at {_said(told.not_after)}; pods that connect after that "
            "are refused. See whether kubelets reach the API server, or change upgrade.restartNonce",
            warning=True,
        )


def _said(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
