"""For a function whose handler is called `index.handler`, as those of the Node authorizers are."""

from phantomgate.aws import handler

__all__ = ["handler"]
