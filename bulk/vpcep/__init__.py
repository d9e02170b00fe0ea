"""The API of the VPC endpoint service without a socket: requests, replies, codes, signatures, regions."""
