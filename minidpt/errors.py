"""The errors a caller may want to tell apart. Each message is one line: what was expected, what came, what to do."""


class MiniDPTError(Exception):
    """Base of every error that minidpt raises on purpose."""


class ImageError(MiniDPTError):
    """A picture that cannot be read, is broken, too large or ambiguous."""


class CheckpointError(MiniDPTError):
    """Weights that are broken, incomplete or do not fit the config."""


class ConfigError(MiniDPTError):
    """A config field that is missing, of the wrong type or out of range; the message names the field."""


class SizeError(ConfigError, ValueError):
    """A picture's size that the model of this config cannot take, whatever its multiple."""


class HubError(MiniDPTError):
    """A model that had to come from the Hugging Face Hub and could not."""


class ResourceError(MiniDPTError):
    """Not enough disk or memory for what was asked."""
