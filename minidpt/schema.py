"""What every config shares: the checks of single fields, construction, JSON in and out.

Unknown keys are kept in `extra` and written back, so a config.json survives a round trip. A key that is nearly a
known one is refused when given by hand, as it is most likely a slip.
"""

import dataclasses
import difflib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from .errors import ConfigError

Check = Callable[[Any], Any]  # returns the value as it is to be stored, or raises ValueError saying what was expected

MAX_SIDE, MAX_WIDTH, MAX_BLOCKS = 16_384, 65_536, 1_024  # far beyond any published model; they stop absurd requests
MAX_JSON_BYTES = 10_000_000

# ---------------------------------------------------------------- checks of single values


def integer(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"an integer from {low} to {high}")
        return value

    return check


def number(low: float, high: float) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return value

    return check


def real(low: float, high: float) -> Check:
    """A number that is kept as a float: in these fields transformers takes no integer."""
    check_number = number(low, high)
    return lambda value: float(check_number(value))


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def one_of(*choices: Any) -> Check:
    def check(value: Any) -> Any:
        if value not in choices or isinstance(value, bool):
            raise ValueError(f"one of {', '.join(map(str, choices))}")
        return value

    return check


def optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def sequence(check: Check, low: int = 1, high: int = MAX_BLOCKS) -> Check:
    def check_all(value: Any) -> tuple:
        if not isinstance(value, list | tuple) or not low <= len(value) <= high:
            raise ValueError(f"a list of {low} to {high} values")
        return tuple(check(v) for v in value)

    return check_all


def square(check: Check) -> Check:
    """One side, or [side, side]: transformers accepts both but computes with squares only."""

    def check_side(value: Any) -> int:
        if isinstance(value, list | tuple):
            if len(value) != 2 or value[0] != value[1]:
                raise ValueError("one side, or two equal ones")
            value = value[0]
        return check(value)

    return check_side


def labels(value: Any) -> dict[int, str] | None:
    """{class number: name}, as JSON has it or as Python does."""
    if value is None:
        return None
    try:
        names = {int(k): str(v) for k, v in value.items()}
    except (AttributeError, TypeError, ValueError):
        raise ValueError("an object of class number: name") from None
    if sorted(names) != list(range(len(names))):
        raise ValueError(f"names for the classes 0 to {len(names) - 1} without holes")
    return names


ACTIVATION = one_of("gelu", "gelu_new", "gelu_pytorch_tanh", "hardswish", "relu", "sigmoid", "silu", "swish", "tanh")


def setting(default: Any, check: Check) -> Any:
    """A dataclass field with its default and its check."""
    return dataclasses.field(default=default, metadata={"check": check})


def nullable(default: Any, check: Check) -> Any:
    """A field that published config files may hold as null, which then means the default."""
    return setting(default, lambda value: default if value is None else check(value))


# ---------------------------------------------------------------- the base


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class Config:
    """Base of all configs: construction, checks, JSON. Subclasses list their fields with `setting`."""

    model_type: ClassVar[str] = ""

    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    def __init__(self, **values: Any):
        self.refuse_slips(values)
        self._fill(values)

    @classmethod
    def known(cls) -> dict[str, dataclasses.Field]:
        """The fields by name."""
        return {f.name: f for f in dataclasses.fields(cls) if "check" in f.metadata}

    @classmethod
    def refuse_slips(cls, values: Mapping[str, Any]):
        """Raise ConfigError for a key that is no field but nearly one."""
        known = cls.known()
        for key in values.keys() - known.keys():
            close = difflib.get_close_matches(key, known, n=1, cutoff=0.9)
            if close and close[0] not in values:
                raise ConfigError(f"{cls.__name__} has no field {key!r}; did you mean {close[0]!r}?")

    def _fill(self, values: Mapping[str, Any]):
        known = self.known()
        for name, spec in known.items():
            value = values.get(name, spec.default)
            try:
                object.__setattr__(self, name, spec.metadata["check"](value))
            except ValueError as error:
                raise self._error(name, f"must be {error}, not {value!r:.80}") from None
        skipped = {*known, "extra", "model_type"}
        object.__setattr__(self, "extra", {k: v for k, v in values.items() if k not in skipped})
        self.check()

    def check(self):
        """Raise ConfigError where fields contradict each other."""

    def _error(self, key: str, problem: str) -> ConfigError:
        return ConfigError(f"{type(self).__name__}: {key} {problem}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from the contents of a config.json; unknown keys are tolerated, a wrong model_type is not."""
        if not isinstance(values, Mapping):
            raise ConfigError(f"{cls.__name__}: expected a JSON object, found {type(values).__name__}")
        found = values.get("model_type", cls.model_type)
        if found != cls.model_type:
            raise ConfigError(f"{cls.__name__}: model_type must be {cls.model_type!r}, not {found!r}")
        config = cls.__new__(cls)
        config._fill(values)
        return config

    @classmethod
    def from_json(cls, path: str | Path) -> Self:
        """Read a config.json. Errors name the file and the key."""
        values = read_json(path)
        try:
            return cls.from_dict(values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """All fields and the extra keys, ready for JSON."""

        def plain(value: Any) -> Any:
            if isinstance(value, Config):
                return value.to_dict()
            return list(value) if isinstance(value, tuple) else value

        fields = {f.name: plain(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "extra"}
        return {**self.extra, **fields, "model_type": self.model_type}

    def to_json(self, **more: Any) -> str:
        """The text of a config.json.   more: keys beside the fields, such as architectures"""
        return json.dumps({**self.to_dict(), **more}, indent=2, sort_keys=True) + "\n"


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """json's object_pairs_hook that raises ValueError for a repeated key, where json would let the last one win."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice")
    return result


def read_json(path: str | Path) -> Any:
    """The contents of a JSON file; ConfigError if it is missing, huge, not JSON, or repeats a key."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    path = Path(path)
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_JSON_BYTES} bytes; this is no config file")
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text, object_pairs_hook=unique_keys, parse_constant=refuse)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a valid JSON file ({error})") from None
