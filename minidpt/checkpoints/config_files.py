"""Configs that come from a published model, a folder or the Hub."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ..errors import ConfigError
from ..presets import preset
from ..schema import Config, read_json
from .locate import CONFIG, locate_file

TIED = ({"num_labels", "id2label"}, {"out_features", "out_indices"})  # two ways to say one thing: a change says it anew


class PretrainedConfig(Config):
    """A config that `from_pretrained` can find by name."""

    @classmethod
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None, **changes: Any) -> Self:
        """The config of a published model (known without a download), of a folder or of a Hub id, with `changes`.

        With a revision the Hub is asked even of a published model.
        """
        cls.refuse_slips(changes)
        row = None if Path(name).exists() or revision is not None else preset(str(name))
        values = dict(row["config"]) if row else read_json(config_file(name, revision))
        if not isinstance(values, Mapping):
            return cls.from_dict(values)  # which says what is wrong
        stale = {key for pair in TIED if pair & changes.keys() for key in pair}
        kept = {key: value for key, value in values.items() if key not in stale}
        return cls.from_dict({**kept, **changes})


def config_file(name: str | Path, revision: str | None = None) -> Path:
    """Where a model's config.json is; ConfigError if it has none."""
    try:
        return locate_file(name, CONFIG, revision=revision)
    except FileNotFoundError:
        raise ConfigError(f"{name}: has no {CONFIG}") from None
