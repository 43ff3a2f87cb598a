"""Write Jinja2 expressions as source: syntax trees back to text, and Python values as literals.

Slots are kept as source, because an issue is frozen as JSON; what is known early stands in them as literals. The nodes
are those of jinja2.nodes (3.1).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import nodes
from markupsafe import Markup

_BINARY: dict[type[nodes.Expr], str] = {
    nodes.Add: "+",
    nodes.Sub: "-",
    nodes.Mul: "*",
    nodes.Div: "/",
    nodes.FloorDiv: "//",
    nodes.Mod: "%",
    nodes.Pow: "**",
    nodes.And: "and",
    nodes.Or: "or",
}
_COMPARE = {"eq": "==", "ne": "!=", "gt": ">", "gteq": ">=", "lt": "<", "lteq": "<=", "in": "in", "notin": "not in"}
_LARGEST = 100_000  # characters of a literal; a slot isn't a database


class NotLiteral(ValueError):  # noqa: N818 (a question's answer, caught where it is asked)
    """A value that can't be written as a Jinja2 literal."""


def literal(value: Any, depth: int = 20) -> str:
    """`value` as Jinja2 source: text, safe HTML, numbers, booleans, None, and lists, tuples and dicts of these.

    Raises NotLiteral for anything else, for what is nested deeper than `depth`, or has over 100,000 characters.
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Markup):
        return f"({_text(str(value))}|safe)"
    if isinstance(value, str):
        return _text(value)
    if type(value) is int or (type(value) is float and value == value and abs(value) != float("inf")):
        return repr(value) if value >= 0 else f"({value!r})"
    if depth == 0:
        raise NotLiteral
    if isinstance(value, Mapping):
        pairs = [f"{literal(key, 0)}: {literal(item, depth - 1)}" for key, item in value.items()]
        return _bounded("{" + ", ".join(pairs) + "}")
    if isinstance(value, list):
        return _bounded("[" + ", ".join(literal(item, depth - 1) for item in value) + "]")
    if type(value) is tuple:
        return _bounded("(" + "".join(literal(item, depth - 1) + ", " for item in value) + ")")
    raise NotLiteral


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return _bounded(f'"{escaped}"')


def _bounded(source: str) -> str:
    if len(source) > _LARGEST:
        raise NotLiteral
    return source


class Unparser:
    """Writes an expression as source; a subclass may answer for parts of it by overriding `write`."""

    def write(self, node: nodes.Expr) -> str:
        """`node` as source, in parentheses where another operator could tear it apart."""
        if isinstance(node, nodes.BinExpr):
            return f"({self.write(node.left)} {_BINARY[type(node)]} {self.write(node.right)})"
        method = getattr(self, "_" + type(node).__name__.lower(), None)
        if method is None:
            raise NotImplementedError(type(node).__name__)
        source: str = method(node)
        return source

    def _name(self, node: nodes.Name) -> str:
        return node.name

    def _const(self, node: nodes.Const) -> str:
        return literal(node.value)

    def _templatedata(self, node: nodes.TemplateData) -> str:
        return literal(node.data)

    def _tuple(self, node: nodes.Tuple) -> str:
        return "(" + "".join(self.write(item) + ", " for item in node.items) + ")"

    def _list(self, node: nodes.List) -> str:
        return "[" + ", ".join(map(self.write, node.items)) + "]"

    def _dict(self, node: nodes.Dict) -> str:
        return "{" + ", ".join(f"{self.write(pair.key)}: {self.write(pair.value)}" for pair in node.items) + "}"

    def _condexpr(self, node: nodes.CondExpr) -> str:
        otherwise = f" else {self.write(node.expr2)}" if node.expr2 is not None else ""
        return f"({self.write(node.expr1)} if {self.write(node.test)}{otherwise})"

    def _filter(self, node: nodes.Filter) -> str:
        assert node.node is not None, "a filter block's filter has no operand, and is no expression"
        return f"({self.write(node.node)}|{node.name}{self._arguments(node, optional=True)})"

    def _test(self, node: nodes.Test) -> str:
        return f"({self.write(node.node)} is {node.name}{self._arguments(node, optional=True)})"

    def _call(self, node: nodes.Call) -> str:
        return self.write(node.node) + self._arguments(node)

    def _getattr(self, node: nodes.Getattr) -> str:
        return f"{self._operand(node.node)}.{node.attr}"

    def _getitem(self, node: nodes.Getitem) -> str:
        return f"{self._operand(node.node)}[{self.write(node.arg)}]"

    def _slice(self, node: nodes.Slice) -> str:
        parts = [node.start, node.stop, *([node.step] if node.step is not None else [])]
        return ":".join("" if part is None else self.write(part) for part in parts)

    def _concat(self, node: nodes.Concat) -> str:
        return "(" + " ~ ".join(map(self.write, node.nodes)) + ")"

    def _compare(self, node: nodes.Compare) -> str:
        tail = "".join(f" {_COMPARE[operand.op]} {self.write(operand.expr)}" for operand in node.ops)
        return f"({self.write(node.expr)}{tail})"

    def _not(self, node: nodes.Not) -> str:
        return f"(not {self.write(node.node)})"

    def _neg(self, node: nodes.Neg) -> str:
        return f"(-{self.write(node.node)})"

    def _pos(self, node: nodes.Pos) -> str:
        return f"(+{self.write(node.node)})"

    def _operand(self, node: nodes.Expr) -> str:
        source = self.write(node)
        return f"({source})" if isinstance(node, nodes.Const) else source

    def _arguments(self, node: nodes.Call | nodes.Filter | nodes.Test, optional: bool = False) -> str:
        parts = [self.write(argument) for argument in node.args]
        parts += [f"{keyword.key}={self.write(keyword.value)}" for keyword in _keywords(node)]
        parts += [f"*{self.write(node.dyn_args)}"] if node.dyn_args is not None else []
        parts += [f"**{self.write(node.dyn_kwargs)}"] if node.dyn_kwargs is not None else []
        return "" if optional and not parts else "(" + ", ".join(parts) + ")"


def _keywords(node: nodes.Call | nodes.Filter | nodes.Test) -> Sequence[nodes.Keyword]:
    keywords: Any = node.kwargs
    return list(keywords)


def unparse(node: nodes.Expr) -> str:
    """`node` as Jinja2 source that parses to the same tree."""
    return Unparser().write(node)
