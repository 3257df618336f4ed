"""What a torch pickle may speak of, as inert records: names, storages, tensors. None of them holds a weight's numbers.

CALLS lists the five functions that torch names for dictionaries of tensors, and what each means here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from ..errors import CheckpointError
from .entries import span

MAX_AXES = 16
MAX_ELEMENTS = 1 << 48
MAX_KEY = 500
MAX_NAME_SHOWN = 80
REMEDY = "refused (if you trust it, load it in torch and save its plain state_dict())"


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


def expect(condition: bool, otherwise: str) -> None:
    """Refuse what the file holds; `interpret` puts the file's name before the message."""
    if not condition:
        raise CheckpointError(f"holds {otherwise}")


# ---- the names that a pickle may mention


def _ordered_dict(*contents: Any) -> OrderedDict:
    expect(not contents, "an OrderedDict made from other things than its items")
    return OrderedDict()


def _size(*lengths: Any) -> tuple:
    expect(len(lengths) == 1 and isinstance(lengths[0], tuple), "a torch.Size without lengths")
    return lengths[0]


def _parameter(tensor: Any = None, *_: Any) -> Tensor:
    expect(isinstance(tensor, Tensor), "a parameter that is no tensor")
    return tensor


def _tensor(storage: Any = None, offset: Any = None, shape: Any = None, strides: Any = None, *rest: Any) -> Tensor:
    """Check a view against its storage.   rest: requires_grad, hooks, and how a lazily negated view differs"""
    expect(isinstance(storage, Storage) and _is_size(offset), "a tensor without a storage")
    expect(isinstance(shape, tuple) and isinstance(strides, tuple), "a tensor without a shape")
    expect(len(shape) == len(strides) <= MAX_AXES, f"a tensor of {len(shape)} axes and {len(strides)} strides")
    expect(all(map(_is_size, shape + strides)), "a tensor whose shape or strides are no sizes")
    expect(not any(rest[2:]), "a conjugated or negated view of a tensor")
    expect(prod(max(n, 1) for n in shape) < MAX_ELEMENTS, f"a tensor of shape {shape}")
    last = offset + span(shape, strides)
    expect(last <= storage.count, f"a tensor that ends at element {last} of a storage of {storage.count}")
    count = span(shape, None)
    expect(count <= storage.count, f"a tensor of {count} elements in a storage of {storage.count}")
    return Tensor(storage, offset, shape, strides)


def is_key(key: Any) -> bool:
    """Short texts, numbers and names: all that torch writes, and quick to hash and compare whatever the file says."""
    return len(key) <= MAX_KEY if isinstance(key, str) else isinstance(key, int | float | None | Global)


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


def allowed_name(module: Any, name: Any) -> Global:
    expect(isinstance(module, str) and isinstance(name, str), "a name that is no text")
    named = Global(module, name)
    if named not in CALLS and named not in STORAGE_DTYPES:
        kind = KNOWN_REFUSALS.get(f"{module}.{name}")
        raise CheckpointError(
            f"holds {kind}, which is not read; {REMEDY}" if kind else f"names {named}, which no weights need; {REMEDY}"
        )
    return named


def storage_of(identity: Any) -> Storage:
    """('storage', type, key, device, count): what torch writes where a storage's numbers belong."""
    expect(
        isinstance(identity, tuple) and len(identity) in (5, 6) and identity[0] == "storage",
        f"more than weights; {REMEDY}",
    )
    _, named, key, _, count, *view = identity
    expect(isinstance(named, Global) and named in STORAGE_DTYPES, "a storage of no known type")
    expect(isinstance(key, str) and len(key) <= MAX_KEY and _is_size(count), "a storage without key and length")
    expect(view in ([], [None]), "a view of a storage, which only torch before 0.4 wrote")
    return Storage(STORAGE_DTYPES[named], key, count)
