from weir_operator.clients import kinds
from weir_operator.observer.children import Child, Children, child_of
from weir_operator.observer.drift import Drift

KEY = ("default", "flights")


def body(version: int, *, uid: str = "u1", name: str = "flights-1", **metadata: object) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {"weir.dev/job": "flights", "weir.dev/run": "1", "weir.dev/uid": "job"},
            "annotations": {"weir.dev/digest": "d1"},
            **metadata,
        },
    }


def known(children: Children) -> list[tuple[str, str]]:
    return [(child.name, child.version) for child in children.of(KEY)]


def test_an_older_version_of_the_same_object_is_no_news() -> None:
    children = Children()
    assert children.note(kinds.CONFIG_MAP, body(7)) == KEY
    assert children.note(kinds.CONFIG_MAP, body(6)) is None
    assert children.note(kinds.CONFIG_MAP, body(7)) is None
    assert known(children) == [("flights-1", "7")]


def test_an_object_that_was_made_anew_is_news_whatever_its_version() -> None:
    children = Children()
    children.note(kinds.CONFIG_MAP, body(7))
    assert children.note(kinds.CONFIG_MAP, body(5, uid="u2")) == KEY


def test_late_news_of_a_deletion_does_not_remove_the_object_that_has_the_name_now() -> None:
    children = Children()
    children.note(kinds.CONFIG_MAP, body(9, uid="u2"))
    assert children.forget(kinds.CONFIG_MAP, body(8, uid="u1")) is None
    assert known(children) == [("flights-1", "9")]


def as_child(version: int, **metadata: object) -> Child:
    found = child_of(kinds.CONFIG_MAP, body(version, **metadata))
    assert found is not None
    return found


def test_a_list_removes_ghosts_and_keeps_what_was_made_after_it() -> None:
    children = Children()
    children.note(kinds.CONFIG_MAP, body(3, name="ghost"))
    children.note(kinds.CONFIG_MAP, body(20, name="newer"))
    changed = children.replace(kinds.CONFIG_MAP, "default", "10", [as_child(4, name="listed")], reset=False)
    assert changed == {KEY}
    assert known(children) == [("newer", "20"), ("listed", "4")]


def test_a_list_of_another_namespace_touches_nothing_here() -> None:
    children = Children()
    children.note(kinds.CONFIG_MAP, body(3))
    assert children.replace(kinds.CONFIG_MAP, "elsewhere", "10", [], reset=False) == set()
    assert known(children) == [("flights-1", "3")]


def test_after_the_clusters_store_was_restored_the_past_is_the_truth() -> None:
    children = Children()
    children.note(kinds.CONFIG_MAP, body(900))
    children.replace(kinds.CONFIG_MAP, None, "100", [as_child(50)], reset=True)
    assert known(children) == [("flights-1", "50")]


def test_an_object_is_good_while_its_digest_is_the_wanted_one_and_nobody_else_had_a_hand_in_it() -> None:
    drift, child = Drift(), as_child(7)
    assert drift.is_good(child, "d1")
    assert not drift.is_good(child, "d2")
    assert not drift.is_good(None, "d1")
    assert not drift.is_good(as_child(7, deletionTimestamp="2026-01-01T00:00:00Z"), "d1")


def test_an_edit_that_stays_after_it_was_applied_over_is_not_fought() -> None:
    hand = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {}}}]
    drift = Drift()
    assert not drift.is_good(as_child(7, managedFields=hand), "d1")
    drift.remember(KEY, body(8, managedFields=hand))
    assert drift.is_good(as_child(8, managedFields=hand), "d1")
    assert not drift.is_good(as_child(9, managedFields=hand), "d1"), "until somebody edits it again"


def test_a_status_that_a_controller_writes_is_no_edit() -> None:
    hand = [{"manager": "kube-controller-manager", "subresource": "status", "fieldsV1": {"f:spec": {}}}]
    assert not as_child(7, managedFields=hand).edited


def test_what_was_deleted_by_somebody_else_has_drifted_and_what_we_deleted_has_not() -> None:
    drift = Drift()
    drift.remember(KEY, body(7, name="theirs"))
    drift.remember(KEY, body(7, name="ours"))
    drift.forget(KEY, "ConfigMap", "ours")
    assert drift.drifted(KEY, []) == ("ConfigMap/theirs",)
