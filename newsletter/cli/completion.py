"""`completion`: a script for the shell, made from the commands' own options; nothing of ours runs while one types.

Arguments are completed as files, which posts are; words after an option that takes one of a few, as those few.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer


class Shell(StrEnum):
    """The shells that there is a script for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@dataclass(frozen=True, slots=True)
class Word:
    """A command and what may follow it."""

    path: tuple[str, ...]
    help: str
    commands: tuple[str, ...]
    options: tuple[tuple[str, str, bool], ...]  # name, help, whether a value follows
    choices: tuple[tuple[str, tuple[str, ...]], ...]  # of an option


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(completion)


def completion(shell: Annotated[Shell, typer.Argument(help="Which shell.")]) -> None:
    """Print a script that completes commands and options in a shell.

    \b
      newsletter completion bash > ~/.local/share/bash-completion/completions/newsletter
      newsletter completion zsh > ~/.zfunc/_newsletter       # with fpath+=~/.zfunc before compinit
      newsletter completion fish > ~/.config/fish/completions/newsletter.fish
    """
    from newsletter.cli.app import build_app

    words = list(_words(typer.main.get_command(build_app()), ()))
    script = {Shell.bash: _bash, Shell.zsh: _zsh, Shell.fish: _fish}[shell]
    print(script(words))  # noqa: T201 (a shell reads it)


def _words(command: Any, path: tuple[str, ...]) -> Iterator[Word]:
    children = getattr(command, "commands", {})
    options, choices = [], []
    for param in command.params:
        names = [name for name in getattr(param, "opts", ()) if name.startswith("-")]
        if not names:
            continue
        takes = not (getattr(param, "is_flag", False) or getattr(param, "count", False))
        options += [(name, _line(getattr(param, "help", "")), takes) for name in names]
        kind = getattr(getattr(param, "type_descriptor", None), "annotation", None)
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            choices += [(name, tuple(each.value for each in kind)) for name in names]
    options.append(("--help", "Show this message and exit.", False))
    yield Word(path, _line(command.help), tuple(children), tuple(options), tuple(choices))
    for name, child in children.items():
        yield from _words(child, (*path, name))


def _line(text: str | None) -> str:
    """The first sentence of a help text."""
    return " ".join((text or "").split("\n\n")[0].split()).rstrip(".")


def _bash(words: list[Word]) -> str:
    cases = []
    for word in words:
        known = " ".join((*word.commands, *(name for name, _, _ in word.options)))
        cases.append(f'    "{" ".join(word.path)}") known="{known}" ;;')
    values = dict.fromkeys(
        f'    "{" ".join(word.path)} {name}") known="{" ".join(few)}"; values=1 ;;'
        for word in words
        for name, few in word.choices
    )
    groups = "|".join(f'"{" ".join(word.path)}"' for word in words if word.path)
    return f"""\
# bash completion of newsletter
_newsletter() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" path="" known="" values="" word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "${{path:+$path }}$word" in {groups}) path="${{path:+$path }}$word" ;; esac
  done
  case "$path" in
{chr(10).join(cases)}
  esac
  case "$path $before" in
{chr(10).join(values)}
  esac
  if [[ -n $values || $current == -* || ( -z $path || $path == "$before" ) && $known != -* ]]; then
    COMPREPLY=($(compgen -W "$known" -- "$current"))
  fi
}}
complete -o default -F _newsletter newsletter"""


def _zsh(words: list[Word]) -> str:
    cases, values = [], []
    for word in words:
        path = shlex.quote(" ".join(word.path))
        helps = {child.path[-1]: child.help for child in words if child.path[:-1] == word.path and child.path}
        commands = " ".join(shlex.quote(f"{name}:{helps[name]}") for name in word.commands)
        options = " ".join(shlex.quote(f"{name}:{help_}") for name, help_, _ in word.options)
        cases.append(f"  ({path}) commands=({commands}) options=({options}) ;;")
        values += [
            f"  ({shlex.quote(' '.join((*word.path, name)))}) values=({' '.join(few)}) ;;" for name, few in word.choices
        ]
    groups = "|".join(shlex.quote(" ".join(word.path)) for word in words if word.path)
    return f"""\
#compdef newsletter
local word seen="" before="${{words[CURRENT-1]}}"
local -a commands options values
for word in "${{(@)words[2,CURRENT-1]}}"; do
  case "${{seen:+$seen }}$word" in ({groups}) seen="${{seen:+$seen }}$word" ;; esac
done
case "$seen" in
{chr(10).join(cases)}
esac
case "${{seen:+$seen }}$before" in
{chr(10).join(values)}
esac
if (( $#values )); then compadd -a values
elif [[ $PREFIX == -* ]]; then _describe -o option options
elif (( $#commands )); then _describe command commands
else _files
fi"""


def _fish(words: list[Word]) -> str:
    lines = ["# fish completion of newsletter"]
    for word in words:
        if word.path:
            seen = " ".join(f"; and __fish_seen_subcommand_from {name}" for name in word.path)[6:]
        else:
            seen = "__fish_use_subcommand"
        for name in word.commands:
            child = next(each for each in words if each.path == (*word.path, name))
            inner = f"{seen}; and not __fish_seen_subcommand_from {' '.join(word.commands)}" if word.path else seen
            lines.append(f"complete -c newsletter -n {_quoted(inner)} -f -a {name} -d {_quoted(child.help)}")
        few = dict(word.choices)
        for name, help_, takes in word.options:
            kind = f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
            value = f" -x -a {_quoted(' '.join(few[name]))}" if name in few else " -r" if takes else ""
            lines.append(f"complete -c newsletter -n {_quoted(seen)} {kind} -d {_quoted(help_)}{value}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
