"""Settings that are options of a command: each is declared once, as a field of a frozen dataclass."""

from __future__ import annotations

import argparse
import math
from collections.abc import Collection, Sequence
from dataclasses import MISSING, field, fields
from numbers import Integral, Real
from typing import Any, TypeVar

from chatlib.errors import ParameterError

__all__ = ["ROLES", "add_columns_option", "add_options", "check_settings", "option", "read_columns_option",
           "read_options"]  # fmt: skip

_T = TypeVar("_T")

# What a column may hold, as --columns names it, and the field of chat-downloader's that this is.
ROLES = {
    "time": "", "text": "message", "author": "author_name", "author_id": "author_id", "amount": "amount",
    "currency": "currency", "badges": "author_badges", "kind": "message_type", "id": "message_id",
    "bits": "bits", "notice": "system_message", "stream": "",
}  # fmt: skip


def option(
    default: _T, meaning: str, *flags: str, metavar: str = "N", choices: Sequence[str] | None = None
) -> _T:
    """Return a field of settings that is an option, with its help.

    Without a long one among its flags, it is named after the field. A field that is False is a switch.
    """
    how = {"flags": flags, "help": meaning, "metavar": metavar, "choices": choices}
    value: _T = field(default=default, metadata=how)
    return value


def add_options(parser: argparse._ActionsContainer, settings: type, names: Collection[str] = ()) -> None:
    """Add the options of settings to a command or a group of its options: those of `names`, or all."""
    for setting in fields(settings):
        how, default = setting.metadata, setting.default
        if not how or (names and setting.name not in names):
            continue
        flags = list(how["flags"])
        if not any(flag.startswith("--") for flag in flags):
            flags.insert(0, f"--{setting.name.replace('_', '-')}")
        shared: dict[str, Any] = {"dest": setting.name, "default": default, "help": how["help"]}
        if isinstance(default, bool):
            parser.add_argument(*flags, action="store_true", **shared)
            continue
        if default != "":
            shared["help"] += (
                f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"
            )
        kind = {"choices": how["choices"]} if how["choices"] else {"metavar": how["metavar"]}
        parser.add_argument(*flags, type=type(default), **shared, **kind)


def read_options(args: argparse.Namespace, settings: type[_T]) -> _T:
    """Return settings with what a command was given; of a field that is no option of it, the default."""
    given = {setting.name for setting in fields(settings)} & vars(args).keys()  # type: ignore[arg-type]
    return settings(**{name: getattr(args, name) for name in given})


def check_settings(settings: Any, **least: float) -> None:
    """Raise ParameterError unless each field is of its default's type, and these are at least so much."""
    kinds = {bool: ("True or False", bool), int: ("a whole number", Integral), float: ("a number", Real)}
    for setting in fields(settings):
        name, value = setting.name, getattr(settings, setting.name)
        what, kind = kinds.get(type(setting.default), ("a text", str))
        shown = next((flag[2:] for flag in setting.metadata.get("flags", ()) if flag[:2] == "--"), name)
        is_switch = isinstance(value, bool) and kind is not bool
        if setting.default is not MISSING and (is_switch or not isinstance(value, kind)):
            raise ParameterError(f"{shown} must be {what}, got {value!r}.")
        if name in least and not least[name] <= value < math.inf:
            raise ParameterError(f"{shown} must be at least {least[name]:g}, got {value}.")


def add_columns_option(parser: argparse.ArgumentParser) -> None:
    """Add --columns to a command; its value is for `read_columns_option`."""
    parser.add_argument(
        "--columns",
        default="",
        metavar="time=NAME,…",
        help="a table's columns, by name or number, where their names do not say what they hold: "
        + ", ".join(ROLES),
    )


def read_columns_option(text: str) -> dict[str, str]:
    """Return the columns by what they hold from `time=…,text=…`. Raises: ParameterError."""
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    if wrong := [role for role, equals, name in pairs if role.strip() not in ROLES or not equals or not name]:
        raise ParameterError(
            f"Columns are named like time=NAME,text=NAME, by what they hold ({', '.join(ROLES)}), got "
            f"{wrong[0]!r}."
        )
    return {role.strip(): name.strip() for role, _, name in pairs}
