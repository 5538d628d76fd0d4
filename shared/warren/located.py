"""YAML whose values are known by the lines where they stand."""

from collections.abc import Mapping
from typing import Any

import yaml

Where = tuple[int | str, ...]
"""A place: keys, and numbers in lists."""
Lines = dict[Where, int]


def read(text: str) -> tuple[Any, Lines]:
    """The value in this text, and the line of each place in it.

    Raises:
        yaml.YAMLError, RecursionError: there is none.
    """
    lines: Lines = {}
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return (_value(root, (), lines) if root is not None else None), lines


def line_of(lines: Mapping[Where, int], where: Where) -> int:
    """The line of this place, or of the nearest thing around it that is there."""
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def dotted(where: Where) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where).lstrip(".")


def _value(node: yaml.Node, where: Where, lines: Lines) -> Any:
    """A node as plain values; `lines` learns where each of them stands."""
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        _refuse_twins(node)
        yaml.SafeLoader("").flatten_mapping(node)  # merge keys: <<; what they bring stands first, and gives way
        values = {_scalar(key_node): (key_node, value_node) for key_node, value_node in node.value}
        node.value = list(values.values())  # an alias may bring us here again
        result: dict[Any, Any] = {}
        for key, (key_node, value_node) in values.items():
            lines[(*where, key)] = key_node.start_mark.line + 1
            result[key] = _value(value_node, (*where, key), lines)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*where, index), lines) for index, child in enumerate(node.value)]
    return _scalar(node)


def _refuse_twins(node: yaml.MappingNode) -> None:
    seen = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key must be a plain value", problem_mark=key_node.start_mark)
        if key_node.value in seen:
            problem = f"{key_node.value!r} stands here twice"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
        seen.add(key_node.value)


def _scalar(node: yaml.Node) -> Any:
    try:
        return yaml.SafeLoader("").construct_object(node, deep=True)
    except (ValueError, OverflowError) as error:
        raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from None
