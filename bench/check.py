#!/usr/bin/env python3
"""Whether results are what bench/results/schema.json says, with nothing but the standard library.

    python3 bench/check.py                   # all of bench/results
    python3 bench/check.py FILE...
"""

import glob
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCHEMA = os.path.join(ROOT, "bench/results/schema.json")
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
         "integer": int, "number": (int, float)}


def is_a(value, name):
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def faults(value, schema, root, at="it"):
    """What is wrong, as far as the words of JSON Schema go that the schema uses. An unknown word is an error of ours."""
    known = {"$schema", "$defs", "title", "description", "$ref", "type", "anyOf", "not", "pattern", "minimum",
             "required", "properties", "additionalProperties", "items"}
    if set(schema) - known:
        sys.exit(f"bench: check.py does not know {', '.join(sorted(set(schema) - known))}")
    if "$ref" in schema:
        return faults(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, at)
    if "anyOf" in schema:
        found = [faults(value, one, root, at) for one in schema["anyOf"]]
        return [] if not all(found) else max(found, key=lambda one: max(fault.count(".") for fault in one))
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_a(value, name) for name in types):
        return [f"{at} is no {' or '.join(types)}"]
    if "not" in schema and not faults(value, schema["not"], root, at):
        return [f"{at} is what it must not be"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return [f"{at} does not match {schema['pattern']}"]
    if "minimum" in schema and value < schema["minimum"]:
        return [f"{at} is below {schema['minimum']}"]
    wrong = []
    if isinstance(value, dict):
        wrong += [f"{at} has no {name}" for name in schema.get("required", []) if name not in value]
        for name, part in value.items():
            its = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
            if its is False:
                wrong.append(f"{at} has {name}, which is unknown")
            else:
                wrong += faults(part, its, root, f"{at}.{name}")
    if isinstance(value, list):
        for index, part in enumerate(value):
            wrong += faults(part, schema.get("items", {}), root, f"{at}.{index}")
    return wrong


def faults_of(path):
    with open(SCHEMA) as f:
        schema = json.load(f)
    with open(path) as f:
        return faults(json.load(f), schema, schema)


def self_check():
    """It finds what is wrong, too."""
    with open(SCHEMA) as f:
        schema = json.load(f)
    good = {"command": "python3 bench/echo.py", "date": "2026-01-02", "version": "v",
            "machine": {"cpu": "x", "cores": 2, "kernel": "6", "pinning": "none"},
            "found": {"c": {"ratio": {"median": 1.0, "low": 1, "high": 1}, "errors": 0}}}
    assert not faults(good, schema, schema)
    machine, ratio = good["machine"], good["found"]["c"]["ratio"]
    for bad in [{"date": "today"}, {"machine": {**machine, "cores": 0}}, {"machine": {**machine, "name": "x"}},
                {"found": {"c": {"ratio": {**ratio, "high": "1"}}}}, {"found": {"c": {"ratio": {"median": 1}}}},
                {"found": {"c": {"errors": -1}}}]:
        assert faults({**good, **bad}, schema, schema), bad
    assert faults({"command": "python3 bench/echo.py"}, schema, schema)


def main():
    self_check()
    paths = sys.argv[1:] or sorted(set(glob.glob(os.path.join(ROOT, "bench/results/*.json"))) - {SCHEMA})
    wrong = [f"{path}: {fault}" for path in paths for fault in faults_of(path)]
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(paths)} results are as the schema says")


if __name__ == "__main__":
    main()
