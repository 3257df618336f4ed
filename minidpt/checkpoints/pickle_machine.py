"""A torch pickle -> inert records. The opcodes are interpreted here: nothing that a file names is imported or called.

A pickle is a program for a stack machine. The few instructions that torch writes for dictionaries of tensors are
carried out below on plain Python values and the records of torch_records.py; every other instruction is refused before
its argument is looked at, and so is every name beyond torch's own for tensors.   [pickletools describes each opcode]
"""

import io
import pickletools
import struct
from collections.abc import Iterator
from typing import Any

from ..errors import CheckpointError
from .torch_records import CALLS, REMEDY, Global, OrderedDict, Storage, allowed_name, expect, is_key, storage_of

MAX_PICKLE_BYTES = 32 << 20
MAX_STEPS = 500_000  # a tensor takes about 25
MAX_ARGUMENTS = 8

PLAIN_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
OTHERS = {
    *("PROTO", "FRAME", "MARK", "STOP", "EMPTY_DICT", "EMPTY_LIST", "TUPLE"),
    *("APPEND", "APPENDS", "SETITEM", "SETITEMS"),
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
    start = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(start)
    for _ in range(MAX_STEPS):
        op = OPCODES[stream.read(1)]
        if op.name not in UNDERSTOOD:
            raise CheckpointError(f"uses the pickle instruction {op.name}, which no weights need; {REMEDY}")
        reader = _two_lines if op.name == "GLOBAL" else op.arg and op.arg.reader
        argument: Any = reader(stream) if reader else None
        if op.name == "FRAME" and argument > size - stream.tell():
            raise EOFError
        yield op.name, argument
    raise CheckpointError(f"holds a pickle of more than {MAX_STEPS} instructions")


def _two_lines(stream: io.BytesIO) -> list[str]:
    """Module and name. The reader in pickletools takes backslashes for escapes, which unpickling does not."""
    lines = [stream.readline(), stream.readline()]
    if not lines[1].endswith(b"\n"):
        raise EOFError
    return [line[:-1].decode("utf-8") for line in lines]


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
                expect(len(self.stack) == 1 and not self.marks, "a pickle that ends half-way")
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
            stack.append(allowed_name(*argument))
        elif name == "STACK_GLOBAL":
            named, module = self.pop(), self.pop()
            stack.append(allowed_name(module, named))
        elif name == "BINPERSID":
            storage = storage_of(self.pop())
            expect(self.storages.setdefault(storage.key, storage) == storage, "a storage of two types or lengths")
            stack.append(storage)
        elif name == "REDUCE":
            arguments, named = self.pop(), self.pop()
            expect(isinstance(named, Global) and named in CALLS, f"a call of what is no function; {REMEDY}")
            expect(isinstance(arguments, tuple) and len(arguments) <= MAX_ARGUMENTS, "a call with odd arguments")
            stack.append(CALLS[named](*arguments))
        elif name == "BUILD":
            self.pop()
            expect(bool(stack) and isinstance(stack[-1], OrderedDict), f"an object with attributes; {REMEDY}")

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
        expect(isinstance(self.stack[-1], list), "items of what is no list")
        self.stack[-1].extend(values)

    def update(self, pairs: list[Any]) -> None:
        """Put pairs into the dict on top: key, value, key, value, ..."""
        expect(isinstance(self.stack[-1], dict) and len(pairs) % 2 == 0, "items of what is no dict")
        keys = pairs[::2]
        expect(all(map(is_key, keys)), "a dict whose keys are no names")
        self.stack[-1].update(zip(keys, pairs[1::2], strict=True))
