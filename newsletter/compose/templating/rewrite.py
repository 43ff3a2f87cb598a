"""Make a template ready for two stages: its syntax tree, rewritten so that dynamic values are noticed wherever they go.

Whether a value is dynamic (`subscriber`, or what was made of it) is known only while the template renders: a macro's
argument may be one thing here and another there. So each expression asks first, and each `if` and `for` writes tags
around itself that are empty for values known now. The answers, as Jinja2 tests and filters whose names no template can
write, are given by `runtime`; this module only places them. Tree: jinja2.nodes (3.1).
"""

import copy
from collections.abc import Iterable
from itertools import count
from typing import Any

from jinja2 import Environment, nodes

from newsletter.compose.templating.unparse import unparse

IS_DYNAMIC = "known later"
IS_MACRO = "a macro"
TRACE = "trace an expression"
OPEN_IF = "open an if"
OPEN_FOR = "open a for"
ENTER = "enter the first branch"
ENTER_ELSE = "enter the other branch"
TAG = "write a tag"
EITHER = "take from either branch"
MARK_TOKENS = "notice slots in a text"

_SPECIAL = frozenset({"self", "super", "caller", "varargs", "kwargs"})
_TEMPORARY = "_two_stages_"


def rewrite(template: nodes.Template, environment: Environment, path: str) -> nodes.Template:
    """`template` with every place guarded where a dynamic value may turn up; `path` is named in slots and errors."""
    template.body = _Rewriter(path).statements(template.body)
    template.set_environment(environment)
    return template


class _Rewriter:
    def __init__(self, path: str) -> None:
        self._path = path
        self._numbers = count(1)

    def statements(self, body: Iterable[nodes.Node]) -> list[nodes.Node]:
        return [made.set_lineno(node.lineno) for node in body for made in self._statement(node)]

    def _statement(self, node: nodes.Node) -> list[nodes.Node]:
        match node:
            case nodes.Output():
                node.nodes = [self.expression(child, bare=True) for child in node.nodes]
            case nodes.If():
                return self._if(node)
            case nodes.For():
                return self._for(node)
            case nodes.Assign():
                node.node = self.expression(node.node)
            case nodes.AssignBlock():
                return self._assign_block(node)
            case nodes.FilterBlock():
                return self._filter_block(node)
            case nodes.With():
                node.values = [self.expression(value) for value in node.values]
                node.body = self.statements(node.body)
            case nodes.ExprStmt():
                node.node = self.expression(node.node)
            case nodes.CallBlock():
                self._arguments(node.call)
                node.defaults = [self.expression(default) for default in node.defaults]
                node.body = self.statements(node.body)
            case nodes.Macro():
                node.defaults = [self.expression(default) for default in node.defaults]
                node.body = self.statements(node.body)
            case nodes.Block() | nodes.Scope() | nodes.ScopedEvalContextModifier():
                node.body = self.statements(node.body)
        return [node]

    def expression(self, node: Any, bare: bool = False) -> Any:
        """`node`, traced instead of evaluated when one of its names is dynamic; `bare`: even if it is but a name.

        A call of a macro is made now, with traced arguments: its markup is then inlined like the rest.
        """
        if isinstance(node, (nodes.Const, nodes.TemplateData)) or (isinstance(node, nodes.Name) and not bare):
            return node
        names = _names(node)
        if not names:
            return node
        line = node.lineno
        values = nodes.Dict([nodes.Pair(nodes.Const(name), _load(name)) for name in names])
        source = nodes.Const(unparse(node))
        traced = _filter(values, TRACE, source, nodes.Const(self._path), nodes.Const(line))
        guarded = nodes.CondExpr(_dynamic(names), traced, node)
        if isinstance(node, nodes.Call) and isinstance(node.node, (nodes.Name, nodes.Getattr)):
            call = nodes.Call(node.node, list(node.args), list(node.kwargs), node.dyn_args, node.dyn_kwargs)
            self._arguments(call)
            is_macro = nodes.And(nodes.Not(_dynamic(_names(node.node))), _test(node.node, IS_MACRO))
            guarded = nodes.CondExpr(is_macro, call, guarded)
        guarded.set_lineno(line)
        return guarded

    def _arguments(self, call: nodes.Call) -> None:
        call.args = [self.expression(argument) for argument in call.args]
        keywords: Any = call.kwargs
        call.kwargs = [nodes.Keyword(keyword.key, self.expression(keyword.value)) for keyword in keywords]

    def _if(self, node: nodes.If) -> list[nodes.Node]:
        """`{% if %}`: for a dynamic condition both branches render, between tags; the reader chooses what they set."""
        otherwise: list[nodes.Node] = node.else_
        for branch in reversed(node.elif_):
            otherwise = [nodes.If(branch.test, branch.body, [], otherwise).set_lineno(branch.lineno)]
        condition = self._fresh()
        names = sorted(_assigned([*node.body, *otherwise]))
        before = {name: self._fresh() for name in names}
        first = {name: self._fresh() for name in names}
        made = [
            _assign(condition, self._opening(self.expression(node.test), OPEN_IF, node.test.lineno)),
            *(_assign(before[name], _load(name)) for name in names),
            _tag(condition, "if"),
            nodes.If(_test(_load(condition), ENTER), self.statements(node.body), [], []),
            *(_assign(first[name], _load(name)) for name in names),
            *(_assign(name, _load(before[name])) for name in names),
        ]
        if otherwise:
            made.append(_tag(condition, "else"))
            made.append(nodes.If(_test(_load(condition), ENTER_ELSE), self.statements(otherwise), [], []))
        made.append(_tag(condition, "endif"))
        made += [_assign(name, _filter(_load(condition), EITHER, _load(first[name]), _load(name))) for name in names]
        return made

    def _for(self, node: nodes.For) -> list[nodes.Node]:
        """`{% for %}`: over dynamic values the body renders once, for a stand-in of each item, between tags."""
        loop = self._fresh()
        opening = self._opening(self.expression(node.iter), OPEN_FOR, node.lineno)
        opening.args.append(nodes.Const(_pattern(node.target)))
        empty = self.statements(node.else_)
        node.iter = _filter(_load(loop), ENTER)
        node.test = self.expression(node.test) if node.test is not None else None
        node.body = self.statements(node.body)
        node.else_ = empty
        made = [_assign(loop, opening), _tag(loop, "for"), node]
        if empty:
            made.append(_tag(loop, "else"))
            made.append(nodes.If(_test(_load(loop), ENTER_ELSE), copy.deepcopy(empty), [], []))
        return [*made, _tag(loop, "endfor")]

    def _assign_block(self, node: nodes.AssignBlock) -> list[nodes.Node]:
        """`{% set x %}…{% endset %}`: the text is marked if slots stand in it; a filter is applied afterwards."""
        node.body = self.statements(node.body)
        made: list[nodes.Node] = [node]
        if isinstance(node.target, nodes.Name):
            made.append(_assign(node.target.name, _filter(_load(node.target.name), MARK_TOKENS)))
            if node.filter is not None:
                made.append(_assign(node.target.name, self.expression(_applied(node.filter, node.target.name))))
                node.filter = None
        return made

    def _filter_block(self, node: nodes.FilterBlock) -> list[nodes.Node]:
        text = self._fresh()
        return [
            nodes.AssignBlock(nodes.Name(text, "store"), None, self.statements(node.body)),
            _assign(text, _filter(_load(text), MARK_TOKENS)),
            nodes.Output([self.expression(_applied(node.filter, text))]),
        ]

    def _opening(self, value: nodes.Expr, what: str, line: int) -> nodes.Filter:
        return _filter(value, what, nodes.Const(self._path), nodes.Const(line))

    def _fresh(self) -> str:
        return f"{_TEMPORARY}{next(self._numbers)}"


def _names(node: nodes.Expr) -> list[str]:
    """The names that `node` reads, sorted, but for those that Jinja2 itself makes."""
    found = {name.name for name in [node, *node.find_all(nodes.Name)] if isinstance(name, nodes.Name)}
    return sorted(found - _SPECIAL)


def _dynamic(names: Iterable[str]) -> nodes.Expr:
    return _test(nodes.Tuple([_load(name) for name in names], "load"), IS_DYNAMIC)


def _assigned(body: Iterable[nodes.Node]) -> set[str]:
    """The names that `body` sets in the scope it stands in; `if` opens none."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, (nodes.Assign, nodes.AssignBlock)):
            targets = [node.target, *node.target.find_all(nodes.Name)]
            names |= {target.name for target in targets if isinstance(target, nodes.Name)}
        elif isinstance(node, nodes.If):
            names |= _assigned([*node.body, *node.elif_, *node.else_])
    return names


def _pattern(target: nodes.Node) -> Any:
    """A loop's target as strings and tuples of them."""
    if isinstance(target, nodes.Tuple):
        return tuple(map(_pattern, target.items))
    assert isinstance(target, nodes.Name), "the parser allows names and tuples as a loop's target"
    return target.name


def _load(name: str) -> nodes.Name:
    return nodes.Name(name, "load")


def _assign(name: str, value: nodes.Expr) -> nodes.Node:
    return nodes.Assign(nodes.Name(name, "store"), value)


def _filter(value: nodes.Expr, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, list(arguments), [], None, None)


def _test(value: nodes.Expr, name: str) -> nodes.Test:
    return nodes.Test(value, name, [], [], None, None)


def _tag(block: str, name: str) -> nodes.Node:
    return nodes.Output([_filter(_load(block), TAG, nodes.Const(name))])


def _applied(chain: nodes.Filter, name: str) -> nodes.Filter:
    """A block's filter chain, which has no operand, applied to a variable."""
    inner = chain
    while isinstance(inner.node, nodes.Filter):
        inner = inner.node
    inner.node = _load(name)
    return chain
