from weir_operator.status.events import HOUR, PER_REASON, Budget, Count, Create


def test_the_same_words_are_one_event_that_counts_at_powers_of_two() -> None:
    budget = Budget()
    said = [budget.decide("uid", "Failed", "boom", float(n)) for n in range(20)]
    assert isinstance(said[0], Create)
    assert [decision.count for decision in said if isinstance(decision, Count)] == [2, 4, 8, 16]
    assert {decision.name for decision in said if decision is not None} == {said[0].name}


def test_a_crash_loop_with_ever_new_words_leaves_three_events_of_a_reason_in_an_hour() -> None:
    budget = Budget()
    said = [budget.decide("uid", "Failed", f"boom at {n}", n * 10.0) for n in range(300)]
    assert sum(isinstance(decision, Create) for decision in said) == PER_REASON
    assert sum(isinstance(decision, Count) for decision in said) <= 10


def test_an_hour_later_it_is_news_again() -> None:
    budget = Budget()
    assert isinstance(budget.decide("uid", "Failed", "boom", 0.0), Create)
    assert isinstance(budget.decide("uid", "Failed", "boom", HOUR + 1), Create)


def test_resources_and_reasons_do_not_share_a_budget() -> None:
    budget = Budget()
    for uid, reason in (("a", "Failed"), ("a", "Stable"), ("b", "Failed")):
        assert isinstance(budget.decide(uid, reason, "text", 0.0), Create)
