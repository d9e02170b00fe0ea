"""Change the port maps of many Huawei Cloud VPC endpoint services at once, safely."""

__version__ = "0.2.0"
"""The one place where the version stands; the changes by version are in `bulk/README.md`."""
