"""The versions of the C-level API are raised when its declarations change. See c_api.py."""

import copy
import json

import c_api
import pytest


@pytest.fixture
def recorded():
    return json.loads(c_api.RECORD.read_text(encoding="utf-8"))


def test_changes_raise_a_version(recorded):
    current = c_api.declarations()
    breaking, additions = c_api.compare(recorded, current)
    before, now = recorded["versions"], current["versions"]
    if breaking:
        assert now["ABI_VERSION"] == before["ABI_VERSION"] + 1, f"changed: {breaking}"
    elif additions:
        assert now["ABI_VERSION"] == before["ABI_VERSION"]
        assert now["API_VERSION"] == before["API_VERSION"] + 1, f"added to: {additions}"
    else:
        assert now == before


def test_the_record_has_all_kinds_of_declarations(recorded):
    structs = recorded["structs"]
    assert recorded["enums"]["Activation"][:3] == ["IDENTITY", "SIGMOID", "RELU"]
    assert structs["Network"][-1] == "const TableLayout* table"
    assert structs["Kernels"][0] == "int api_version"
    assert structs["Kernels"][-1].startswith("bint (*all_finite)(")
    assert {"Training", "Optimizer", "Data", "Slice"} < structs.keys()


EDITS = {
    "a field at the end": ("structs", "Network", lambda fields: fields.append("int more"), True),
    "another order": ("structs", "Slice", lambda fields: fields.reverse(), True),
    "a function less": ("structs", "Kernels", lambda fields: fields.pop(5), True),
    "a field before": ("structs", "Kernels", lambda fields: fields.insert(3, "int more"), True),
    "a function more": ("structs", "Kernels", lambda fields: fields.append("int (*f)()"), False),
    "a member before": ("enums", "Loss", lambda members: members.insert(1, "MORE"), True),
    "a member more": ("enums", "Loss", lambda members: members.append("MORE"), False),
    "no members": ("enums", "Rule", lambda members: members.clear(), True),
    "another enum": ("enums", "More", lambda members: members.append("MORE"), False),
}


@pytest.mark.parametrize(("kind", "name", "edit", "breaks"), EDITS.values(), ids=EDITS)
def test_a_change_is_found(recorded, kind, name, edit, breaks):
    changed = copy.deepcopy(recorded)
    edit(changed[kind].setdefault(name, []))
    assert c_api.compare(recorded, changed) == (([name], []) if breaks else ([], [name]))
