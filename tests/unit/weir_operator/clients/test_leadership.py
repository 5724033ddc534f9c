import pytest

from weir_operator.clients.leadership import Leadership, Unled, boot_clock
from weir_operator.clients.refusals import NotLeading


def test_a_write_may_take_no_longer_than_is_left_of_the_term() -> None:
    leadership = Leadership(7, boot_clock() + 5.0)
    assert 0 < leadership.guard("PATCH /x") <= 5.0


def test_a_term_that_ran_out_refuses_writes_and_names_them() -> None:
    leadership = Leadership(7, boot_clock() - 1.0)
    with pytest.raises(NotLeading, match=r"PATCH /x was not sent: this replica leads no more in term 7"):
        leadership.guard("PATCH /x")


def test_a_term_that_was_found_over_stays_over_whatever_a_late_renewal_says() -> None:
    leadership = Leadership(7, boot_clock() - 1.0)
    with pytest.raises(NotLeading):
        leadership.guard("PATCH /x")
    leadership.prolong(boot_clock() + 100.0)
    with pytest.raises(NotLeading):
        leadership.guard("PATCH /x")


def test_a_lost_lease_ends_the_term_at_once() -> None:
    leadership = Leadership(7, boot_clock() + 100.0)
    leadership.end("the Lease is held by another")
    with pytest.raises(NotLeading, match="held by another"):
        leadership.guard("DELETE /x")


def test_a_tool_that_runs_alone_leads_for_ever() -> None:
    assert Unled().guard("PATCH /x") == float("inf")
