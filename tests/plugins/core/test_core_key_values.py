"""The tasks of the key-value store and of the state store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.plugin_api.fields import PropertyError
from flows.plugin_api.tasks import TaskFailure
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from plugins.core import kv, state


def test_set_of_a_single_expression_stores_its_value_with_its_type(context):
    context.run(kv.Set(), {"key": "k", "value": "{{ {'a': 1} }}"})

    assert context.kv.get("k") == {"a": 1}


def test_set_of_mixed_text_stores_text(context):
    context.run(kv.Set(), {"key": "k", "value": "n={{ 1 + 1 }}"})

    assert context.kv.get("k") == "n=2"


@pytest.mark.parametrize(
    ("kind", "value", "stored"), [("NUMBER", "12", 12), ("BOOLEAN", "TRUE", True), ("BOOLEAN", "yes", False), ("STRING", 5, "5")]
)
def test_set_converts_to_the_type_asked_for(context, kind, value, stored):
    context.run(kv.Set(), {"key": "k", "value": value, "kvType": kind})

    assert context.kv.get("k") == stored


def test_set_refuses_a_text_that_is_no_number(context):
    with pytest.raises(InvalidError, match="abc"):
        context.run(kv.Set(), {"key": "k", "value": "abc", "kvType": "NUMBER"})


def test_set_needs_a_value(context):
    with pytest.raises(PropertyError, match="value"):
        context.run(kv.Set(), {"key": "k"})


def test_set_without_overwrite_refuses_a_present_key(context):
    context.kv.set("k", 1)

    with pytest.raises(ConflictError):
        context.run(kv.Set(), {"key": "k", "value": 2, "overwrite": False})

    assert context.kv.get("k") == 1


def test_a_value_is_gone_when_its_time_is_over(context):
    context.run(kv.Set(), {"key": "k", "value": 1, "ttl": "PT1H"})
    context.at += timedelta(hours=1)

    with pytest.raises(NotFoundError):
        context.run(kv.Get(), {"key": "k"})


def test_set_without_ttl_ends_an_earlier_expiry(context):
    context.run(kv.Set(), {"key": "k", "value": 1, "ttl": "PT1H"})
    context.run(kv.Set(), {"key": "k", "value": 2})
    context.at += timedelta(hours=2)

    assert context.run(kv.Get(), {"key": "k"}) == {"value": 2}


@pytest.mark.parametrize("key", ["", "-a", "a b", "a/b", "é"])
def test_a_key_with_other_characters_is_refused(context, key):
    with pytest.raises(TaskFailure, match="is no key"):
        context.run(kv.Set(), {"key": key, "value": 1})


def test_get_of_a_missing_key_gives_null_when_told_so(context):
    assert context.run(kv.Get(), {"key": "k", "errorOnMissing": False}) == {"value": None}


def test_get_does_not_look_into_parent_namespaces(context):
    context.kv.set("k", 1, namespace="company")

    with pytest.raises(NotFoundError):
        context.run(kv.Get(), {"key": "k"})


def test_tasks_act_on_the_namespace_that_is_named(context):
    context.run(kv.Set(), {"key": "k", "value": 1, "namespace": "other"})

    assert context.run(kv.GetKeys(), {"namespace": "other"}) == {"keys": ["k"]}
    assert context.run(kv.GetKeys(), {}) == {"keys": []}


def test_get_keys_lists_living_keys_with_a_prefix_in_order(context):
    for key in ("b1", "a2", "a1"):
        context.kv.set(key, 1)
    context.kv.set("a0", 1, ttl=timedelta(seconds=1))
    context.at += timedelta(seconds=2)

    assert context.run(kv.GetKeys(), {"prefix": "a"}) == {"keys": ["a1", "a2"]}


def test_delete_tells_whether_the_key_was_there(context):
    context.kv.set("k", 1)

    assert context.run(kv.Delete(), {"key": "k"}) == {"deleted": True}
    assert context.run(kv.Delete(), {"key": "k"}) == {"deleted": False}
    with pytest.raises(TaskFailure):
        context.run(kv.Delete(), {"key": "k", "errorOnMissing": True})


def fill_for_purge(context):
    context.kv.set("living", 1)
    context.kv.set("living", 2)
    context.kv.set("old", 1, ttl=timedelta(seconds=1))
    context.kv.set("old", 1, ttl=timedelta(seconds=1), namespace="elsewhere")
    context.at += timedelta(seconds=2)


@pytest.mark.parametrize(
    ("properties", "size", "left"),
    [
        ({}, 2, ["living"]),
        ({"namespaces": ["company"]}, 1, ["living"]),
        ({"namespaces": ["company"], "includeChildNamespaces": False}, 0, ["living"]),
        ({"namespacePattern": "comp*", "behavior": {"type": "key", "expiredOnly": False}}, 3, []),
        ({"namespacePattern": "comp*", "expiredOnly": False, "keyPattern": "li*"}, 2, []),
        ({"behavior": {"type": "version", "keepAmount": 1}}, 1, ["living"]),
    ],
)
def test_purge_removes_what_its_properties_choose(context, properties, size, left):
    fill_for_purge(context)

    assert context.run(kv.PurgeKV(), properties) == {"size": size}
    assert context.kv.keys() == left


def test_purge_refuses_a_list_and_a_pattern_together(context):
    with pytest.raises(TaskFailure):
        context.run(kv.PurgeKV(), {"namespaces": ["a"], "namespacePattern": "a*"})


def test_state_is_merged_level_by_level(context):
    context.run(state.Set(), {"data": {"a": {"x": 1}, "b": 1}})
    output = context.run(state.Set(), {"data": {"a": {"y": "{{ 1 + 1 }}"}}})

    assert output["count"] == 2
    assert context.run(state.Get(), {}) == {"count": 2, "data": {"a": {"x": 1, "y": "2"}, "b": 1}}


def test_a_missing_state_is_empty_unless_it_is_an_error(context):
    assert context.run(state.Get(), {"name": "none"}) == {"count": 0, "data": {}}
    with pytest.raises(TaskFailure, match="none"):
        context.run(state.Get(), {"name": "none", "errorOnMissing": True})


def test_delete_of_a_state_tells_whether_it_was_there(context):
    context.run(state.Set(), {"name": "any name", "data": {"a": 1}})

    assert context.run(state.Delete(), {"name": "any name"}) == {"deleted": True}
    assert context.run(state.Delete(), {"name": "any name"}) == {"deleted": False}
    with pytest.raises(TaskFailure):
        context.run(state.Delete(), {"name": "any name", "errorOnMissing": True})


def test_states_of_iterations_are_apart_unless_told_otherwise(make_context):
    context = make_context(taskrun={"value": "a"})
    context.run(state.Set(), {"data": {"own": 1}})
    context.run(state.Set(), {"data": {"shared": 1}, "taskrunValue": False})
    context.taskrun = {**context.taskrun, "value": "b"}

    assert context.run(state.Get(), {})["data"] == {}
    assert context.run(state.Get(), {"taskrunValue": False})["data"] == {"shared": 1}


def test_a_namespace_state_is_seen_by_other_flows(context):
    context.run(state.Set(), {"data": {"flow": 1}})
    context.run(state.Set(), {"data": {"all": 1}, "namespace": True})
    context.flow = {**context.flow, "id": "other"}

    assert context.run(state.Get(), {})["data"] == {}
    assert context.run(state.Get(), {"namespace": True})["data"] == {"all": 1}


def test_names_that_differ_only_in_odd_characters_are_different_states(context):
    context.run(state.Set(), {"name": "a/b", "data": {"x": 1}})

    assert context.run(state.Get(), {"name": "a b"})["data"] == {}
    assert context.run(state.Get(), {"name": "a-b"})["data"] == {}
