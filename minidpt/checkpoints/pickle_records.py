"""A torch pickle -> inert records. The opcodes are interpreted here: nothing that a file names is imported or called.

A pickle is a program for a stack machine. The few instructions that torch writes for dictionaries of tensors are
carried out below on plain Python values and the three records; every other instruction, and every name beyond
torch's own for tensors, is refused.   [pickletools describes each opcode]
"""

import io
import pickletools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from ..errors import CheckpointError
from .entries import span

MAX_PICKLE_BYTES = 32 << 20
MAX_STEPS = 1_000_000  # a tensor takes about 30
MAX_AXES = 16
MAX_ELEMENTS = 1 << 48
MAX_NAME_SHOWN = 80


@dataclass(frozen=True)
class Global:
    """A name that the pickle mentions, and only that."""

    module: str
    name: str

    def __str__(self) -> str:
        return shown(f"{self.module}.{self.name}")


@dataclass(frozen=True)
class Storage:
    """A row of `count` elements; the tensors are views of such rows."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a storage.   offset, strides: in elements"""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class OrderedDict(dict):
    """Stands for collections.OrderedDict, the only value whose attributes (torch's _metadata) are passed over."""


def shown(text: str) -> str:
    """Text from a file, fit for an error message."""
    return ascii(text[:MAX_NAME_SHOWN])[1:-1]


# ---- the names that a pickle may mention


def _ordered_dict(*contents: Any) -> OrderedDict:
    _expect(not contents, "an OrderedDict made from other things than its items")
    return OrderedDict()


def _size(*lengths: Any) -> tuple:
    _expect(len(lengths) == 1 and isinstance(lengths[0], tuple), "a torch.Size without lengths")
    return lengths[0]


def _parameter(tensor: Any = None, *_: Any) -> Tensor:
    _expect(isinstance(tensor, Tensor), "a parameter that is no tensor")
    return tensor


def _tensor(storage: Any = None, offset: Any = None, shape: Any = None, strides: Any = None, *rest: Any) -> Tensor:
    """Check a view against its storage.   rest: requires_grad, hooks, and how a lazily negated view differs"""
    _expect(isinstance(storage, Storage) and _is_size(offset), "a tensor without a storage")
    for numbers in (shape, strides):
        _expect(isinstance(numbers, tuple) and all(map(_is_size, numbers)), "a tensor with a negative or odd shape")
    _expect(len(shape) == len(strides) <= MAX_AXES, f"a tensor of {len(shape)} axes and {len(strides)} strides")
    _expect(not any(rest[2:]), "a conjugated or negated view of a tensor")
    _expect(prod(max(n, 1) for n in shape) < MAX_ELEMENTS, f"a tensor of shape {shape}")
    last = offset + span(shape, strides)
    _expect(last <= storage.count, f"a tensor that ends at element {last} of a storage of {storage.count}")
    count = span(shape, None)
    _expect(count <= storage.count, f"a tensor of {count} elements in a storage of {storage.count}")
    return Tensor(storage, offset, shape, strides)


def _is_size(n: Any) -> bool:
    return type(n) is int and 0 <= n < 1 << 63


CALLS: dict[Global, Callable[..., Any]] = {
    Global("collections", "OrderedDict"): _ordered_dict,
    Global("torch", "Size"): _size,
    Global("torch._utils", "_rebuild_parameter"): _parameter,
    Global("torch._utils", "_rebuild_tensor"): _tensor,
    Global("torch._utils", "_rebuild_tensor_v2"): _tensor,
}
STORAGE_DTYPES = {
    Global("torch", f"{name}Storage"): dtype
    for name, dtype in {
        "Double": "F64",
        "Float": "F32",
        "Half": "F16",
        "BFloat16": "BF16",
        "Long": "I64",
        "Int": "I32",
        "Short": "I16",
        "Char": "I8",
        "Byte": "U8",
        "Bool": "BOOL",
    }.items()
}
KNOWN_REFUSALS = {
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a meta tensor, which has no numbers",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor of a device that only torch knows",
    "torch._utils._rebuild_wrapper_subclass": "a subclass of tensor",
    "torch._tensor._rebuild_from_type_v2": "a subclass of tensor",
    "torch._utils._rebuild_tensor_v3": "a tensor of a type that is not read (8-bit floats, unsigned integers)",
    "torch.ComplexFloatStorage": "complex numbers",
    "torch.ComplexDoubleStorage": "complex numbers",
    "torch.QInt8Storage": "a quantised tensor",
    "torch.QUInt8Storage": "a quantised tensor",
    "torch.QInt32Storage": "a quantised tensor",
    "torch.storage.UntypedStorage": "bytes without a type",
}


def _global(module: Any, name: Any) -> Global:
    _expect(isinstance(module, str) and isinstance(name, str), "a name that is no text")
    named = Global(module, name)
    if named not in CALLS and named not in STORAGE_DTYPES:
        kind = KNOWN_REFUSALS.get(f"{module}.{name}")
        raise CheckpointError(f"holds {kind}" if kind else f"names {named}, which no weights need; refused")
    return named


def _storage(identity: Any) -> Storage:
    """('storage', type, key, device, count): what torch writes where a storage's numbers belong."""
    _expect(isinstance(identity, tuple) and len(identity) in (5, 6) and identity[0] == "storage", "no mere weights")
    _, named, key, _, count, *view = identity
    _expect(isinstance(named, Global) and named in STORAGE_DTYPES, "a storage of no known type")
    _expect(isinstance(key, str) and _is_size(count), "a storage without key and length")
    _expect(view in ([], [None]), "a view of a storage, which only torch before 0.4 wrote")
    return Storage(STORAGE_DTYPES[named], key, count)


# ---- the machine


def _expect(condition: bool, otherwise: str) -> None:
    """Refuse what the file holds; `interpret` puts the file's name before the message."""
    if not condition:
        raise CheckpointError(f"holds {otherwise}")


PLAIN_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
OTHERS = {
    *(
        "PROTO",
        "FRAME",
        "MARK",
        "STOP",
        "EMPTY_DICT",
        "EMPTY_LIST",
        "TUPLE",
        "APPEND",
        "APPENDS",
        "SETITEM",
        "SETITEMS",
    ),
    *("BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "BINPERSID"),
    *("REDUCE", "BUILD"),
}
OPCODES = {op.code.encode("latin-1"): op for op in pickletools.opcodes}
UNDERSTOOD = {*PLAIN_VALUES, *CONSTANTS, *TUPLES, *OTHERS}
BROKEN = (ValueError, LookupError, TypeError, OverflowError, EOFError, struct.error)


def interpret(stream: io.BytesIO, source: str) -> tuple[Any, dict[str, Storage]]:
    """Carry out one pickle, from the stream's place to just behind its end.

    -> dicts, lists, tuples, numbers, texts, and the records of this file; and its storages by key.
    Raises CheckpointError, with `source` named.
    """
    start, machine = stream.tell(), _Machine()
    try:
        return machine.run(_instructions(stream)), machine.storages
    except CheckpointError as refusal:
        raise CheckpointError(f"{source}: {refusal}") from None
    except BROKEN:
        where = stream.tell() - start
        raise CheckpointError(f"{source}: its pickle is broken around byte {where}; fetch the file again") from None


def _instructions(stream: io.BytesIO) -> Iterator[tuple[str, Any]]:
    """(opcode's name, argument), one by one. An opcode is refused before its argument is looked at."""
    size = len(stream.getbuffer())
    for _ in range(MAX_STEPS):
        op = OPCODES[stream.read(1)]
        if op.name not in UNDERSTOOD:
            raise CheckpointError(f"uses the pickle instruction {op.name}, which no weights need; refused")
        argument: Any = op.arg.reader(stream) if op.arg else None
        if op.name == "FRAME" and argument > size - stream.tell():
            raise EOFError
        yield op.name, argument
    raise CheckpointError(f"holds a pickle of more than {MAX_STEPS} instructions")


class _Machine:
    """stack: values.   marks: heights of the stack.   memo: values to come back to, by number"""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self, instructions: Iterator[tuple[str, Any]]) -> Any:
        for name, argument in instructions:
            if name == "STOP":
                _expect(len(self.stack) == 1 and not self.marks, "a pickle that ends half-way")
                return self.stack.pop()
            self.step(name, argument)

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction. Whatever does not fit raises one of BROKEN."""
        stack = self.stack
        if name in PLAIN_VALUES:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in TUPLES:
            stack.append(tuple([self.pop() for _ in range(TUPLES[name])][::-1]))
        elif name == "TUPLE":
            stack.append(tuple(self.above_mark()))
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in ("APPEND", "APPENDS"):
            self.extend([self.pop()] if name == "APPEND" else self.above_mark())
        elif name in ("SETITEM", "SETITEMS"):
            self.update([self.pop(), self.pop()][::-1] if name == "SETITEM" else self.above_mark())
        elif name == "GLOBAL":
            stack.append(_global(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            named, module = self.pop(), self.pop()
            stack.append(_global(module, named))
        elif name == "BINPERSID":
            storage = _storage(self.pop())
            _expect(self.storages.setdefault(storage.key, storage) == storage, "a storage of two types or lengths")
            stack.append(storage)
        elif name == "REDUCE":
            arguments, named = self.pop(), self.pop()
            _expect(isinstance(named, Global) and named in CALLS, "a call of what is no function")
            _expect(isinstance(arguments, tuple), "a call without arguments")
            stack.append(CALLS[named](*arguments))
        elif name == "BUILD":
            self.pop()
            _expect(bool(stack) and isinstance(stack[-1], OrderedDict), "attributes of what is no OrderedDict; refused")

    def pop(self) -> Any:
        """The topmost value, but none from below the latest mark."""
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise IndexError
        return self.stack.pop()

    def above_mark(self) -> list[Any]:
        """Take everything down to the latest mark, and the mark."""
        height = self.marks.pop()
        values = self.stack[height:]
        del self.stack[height:]
        return values

    def extend(self, values: list[Any]) -> None:
        _expect(isinstance(self.stack[-1], list), "items of what is no list")
        self.stack[-1].extend(values)

    def update(self, pairs: list[Any]) -> None:
        """Keys are texts, numbers and names: all that torch writes, and quick to hash whatever the file says."""
        _expect(isinstance(self.stack[-1], dict) and len(pairs) % 2 == 0, "items of what is no dict")
        keys = pairs[::2]
        _expect(all(isinstance(k, str | int | float | None | Global) for k in keys), "a dict whose keys are no names")
        self.stack[-1].update(zip(keys, pairs[1::2], strict=True))
