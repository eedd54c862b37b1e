"""Seeded damage to the files of a saved model: bytes, JSON values and tensors that nobody meant."""

import json
import random

import torch
from safetensors.torch import load_file, save_file

from tests.attacks.commands import mutate_bytes

_VALUES = (
    None, True, -1, 0, 3, 7, 2**31, 10**12, -0.5, 1e308, float("nan"), "", "x", "../../etc/passwd",
    [], [[]], {}, ["x", "y"], {"a": "b"}, [["[", "x"]] * 3,
)  # fmt: skip


def mutate_file(path, rng: random.Random):
    """Damage a file in one way that its kind allows; return what was done, for a failing test to say."""
    ways = [_damage, _damage, _remove, _empty]
    if path.suffix == ".json":
        ways += [_change_json] * 12
    if path.suffix == ".safetensors":
        ways += [_change_tensor] * 8
    way = rng.choice(ways)
    return f"{path.name}: {way.__name__} {way(path, rng) or ''}"


def _damage(path, rng):
    path.write_bytes(mutate_bytes(path.read_bytes(), rng))


def _remove(path, rng):
    path.unlink()


def _empty(path, rng):
    path.write_text(rng.choice(["", "{}", "[]", "null", "[" * 100_000, "{" * 7]))


def _change_json(path, rng):
    document = json.loads(path.read_text(encoding="utf-8"))
    holder, key = rng.choice(list(_places(document)))
    done = rng.choice(["set", "set", "set", "drop", "deep"])
    if done == "drop":
        del holder[key]
    else:
        holder[key] = rng.choice(_VALUES) if done == "set" else json.loads("[" * 500 + "]" * 500)
    path.write_text(json.dumps(document), encoding="utf-8")
    return f"{done} {key!r} {str(holder[key])[:40] if done == 'set' else ''}"


def _places(node, depth=0):
    """Yield containers and keys, those near the top as often as all that lie deep."""
    items = list(node.items() if isinstance(node, dict) else enumerate(node))
    for key, value in items[: 30 if depth > 1 else None]:
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value, depth + 1)


def _change_tensor(path, rng):
    tensors = load_file(path)
    name = rng.choice(sorted(tensors))
    done = rng.choice(["nan", "one nan", "inf", "drop", "flat", "wide", "double", "int", "rename", "huge"])
    tensor = tensors[name]
    match done:
        case "nan":
            tensors[name] = torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else tensor
        case "one nan" if tensor.is_floating_point():
            tensor.view(-1)[rng.randrange(tensor.numel())] = float("nan")
        case "inf" if tensor.is_floating_point():
            tensor.view(-1)[0] = float("inf")
        case "drop":
            del tensors[name]
        case "flat":
            tensors[name] = tensor.reshape(-1).clone()
        case "wide":
            tensors[name] = torch.cat([tensor, tensor])
        case "double":
            tensors[name] = tensor.double()
        case "int":
            tensors[name] = tensor.to(torch.int32)
        case "rename":
            tensors[f"{name}.x"] = tensors.pop(name)
        case "huge" if tensor.is_floating_point():
            tensors[name] = tensor * 1e30
    save_file(tensors, path)
    return f"{done} {name}"
