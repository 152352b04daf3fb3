"""All mutants of a module: each changes one expression or leaves out one call."""

import ast
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(), ast.LtE: ast.Lt(), ast.Gt: ast.GtE(), ast.GtE: ast.Gt(), ast.Eq: ast.NotEq(), ast.NotEq: ast.Eq(),
    ast.In: ast.NotIn(), ast.NotIn: ast.In(), ast.Is: ast.IsNot(), ast.IsNot: ast.Is()}
ARITHMETIC: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.Mult: ast.Add(), ast.FloorDiv: ast.Mult(), ast.Mod: ast.Mult(),
    ast.BitAnd: ast.BitOr()}
TWINS = {"min": "max", "max": "min", "any": "all", "all": "any"}
NOT_RUN = (ast.JoinedStr, ast.arg, ast.AnnAssign)  # positions in f-strings are wrong before Python 3.12


class Mutant(NamedTuple):
    """`before` and `after` are one line each; `source` is the whole module."""

    path: str
    line: int
    text: str
    before: str
    after: str
    source: str

    @property
    def change(self) -> str:
        return f"{self.before} => {self.after}"


def mutants(path: str, source: str) -> Iterator[Mutant]:
    content = source.encode()
    lines = content.splitlines(keepends=True)
    starts = [0, *accumulate(map(len, lines))]
    for node in _nodes(ast.parse(source)):
        first = starts[node.lineno - 1] + node.col_offset
        last = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        for changed in _alternatives(node):
            after = changed if isinstance(changed, str) else ast.unparse(changed)
            inserted = after if isinstance(changed, str) else f"({after})"
            mutated = (content[:first] + inserted.encode() + content[last:]).decode()
            text = lines[node.lineno - 1].decode().strip()
            yield Mutant(path, node.lineno, text, ast.unparse(node), after, mutated)


def _nodes(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Yield what is evaluated at run time: no annotations, no defaults of classes' fields, nothing for type checking."""
    if isinstance(node, NOT_RUN) or isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant):
            yield node.value
        return
    if isinstance(node, ast.expr | ast.stmt):
        yield node
    for name, children in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list"):
            for child in children if isinstance(children, list) else [children]:
                if isinstance(child, ast.AST):
                    yield from _nodes(child)


def _alternatives(node: ast.AST) -> Iterator[ast.AST | str]:
    """Yield what may stand in place of a node; a text is inserted as it is."""
    match node:
        case ast.Compare(left=left, ops=[operator], comparators=right):
            yield ast.Compare(left, [COMPARISONS[type(operator)]], right)
        case ast.Compare(left=left, ops=[one, two], comparators=right):
            yield ast.Compare(left, [COMPARISONS[type(one)], two], right)
            yield ast.Compare(left, [one, COMPARISONS[type(two)]], right)
        case ast.BoolOp(op=operator, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case _:
            yield from _values(node)


def _values(node: ast.AST) -> Iterator[ast.AST | str]:
    match node:
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in ARITHMETIC:
            yield ast.BinOp(left, ARITHMETIC[type(operator)], right)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case _:
            yield from _calls(node)


def _calls(node: ast.AST) -> Iterator[ast.AST | str]:
    match node:
        case ast.Call(func=ast.Name(id=name), args=values, keywords=keywords) if name in TWINS:
            yield ast.Call(ast.Name(TWINS[name]), values, keywords)
        case ast.IfExp(test=test, body=body, orelse=other):
            yield ast.IfExp(test, other, body)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "return None"
        case ast.Expr(value=ast.Call()):
            yield "pass"
        case ast.Tuple(elts=[_, *rest]) if rest and all(map(_is_class, rest)):
            yield ast.Tuple(rest, ast.Load())


def _is_class(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id[0].isupper()
