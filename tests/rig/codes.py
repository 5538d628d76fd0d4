"""All codes of errors, as they stand in the code of the services."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from warren import errors

ROOT = Path(__file__).parents[2]
_SPELLED = {
    "f'failed_to_download_{what}'": {"failed_to_download_image", "failed_to_download_file"},
    "f'{_numeric(least)}_below_min_value'": {"integer_below_min_value", "decimal_below_min_value"},
    "f'{_numeric(most)}_above_max_value'": {"integer_above_max_value", "decimal_above_max_value"},
}
"""What codes that are put together come to."""


@cache
def _trees() -> tuple[ast.Module, ...]:
    """Of what services answer with; the command line and the SDK have a few codes of their own."""
    files = [file for folder in ("shared/warren", "services") for file in (ROOT / folder).rglob("*.py")]
    return tuple(ast.parse(file.read_text()) for file in files if not {"commands", "client"} & {*file.parts})


def codes() -> set[str]:
    return {code for tree in _trees() for value in _values(tree) for code in _read(value)}


def by_status(least: int) -> set[str]:
    """Those whose errors have at least this status: by their class, or by the class of what is raised with them."""
    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.WarrenError)
    }
    found = {kind.code for kind in kinds.values() if kind.status >= least}
    for call in (node for tree in _trees() for node in ast.walk(tree)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in kinds:
            given = {one.arg: one.value for one in call.keywords}
            match given.get("status", ast.Constant(kinds[call.func.id].status)):
                case ast.Constant(value=int(status)) if status >= least and "code" in given:
                    found |= set(_read(given["code"]))
    return {code for code in found if code is not None}


def _values(tree: ast.Module) -> Iterator[ast.expr]:
    """Whatever is called a code: of a class, a variable, an argument."""
    places = {
        node.name: [argument.arg for argument in node.args.args].index("code")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and "code" in [argument.arg for argument in node.args.args]
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call():
                yield from (one.value for one in node.keywords if one.arg == "code")
                at = places.get(node.func.id) if isinstance(node.func, ast.Name) else None
                yield from node.args[at : at + 1] if at is not None else []
            case (
                ast.Assign(targets=[ast.Name(id="code")], value=value)
                | ast.AnnAssign(target=ast.Name(id="code"), value=ast.expr() as value)
            ):
                yield value
            case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id="code"), *_])], value=ast.Tuple(elts=[value, *_])):
                yield value


def _read(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(code)):
            yield code
        case ast.JoinedStr():
            yield from _SPELLED[ast.unparse(value)]
