"""phantomgate for Kong's Python plugin server: pip install phantomgate[jwt] kong-pdk, and see kong.yml and kong.conf."""

from phantomgate.kong import Plugin, Schema, priority, version

__all__ = ["Plugin", "Schema", "priority", "version"]
