"""Change the port maps of many Huawei Cloud VPC endpoint services at once, safely."""
