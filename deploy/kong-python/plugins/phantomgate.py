"""phantomgate for Kong's Python plugin server: pip install phantomgate kong-pdk. kong.yml and kong.conf name it."""

from phantomgate.kong import Plugin, Schema, priority, version

__all__ = ["Plugin", "Schema", "priority", "version"]
