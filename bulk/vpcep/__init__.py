"""The API of the VPC endpoint service: requests, replies, codes, signatures, credentials, connections.

`client` is what the rest of `bulk` uses; `API.md` is the document that all of it follows.
"""
