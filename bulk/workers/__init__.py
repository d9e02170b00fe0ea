"""More than one host: requests that a worker elsewhere signs and sends, over NATS.

Engine, ledger, pace and report stay in the process of the run. What travels is one request and the raw reply
to it, by core NATS request and reply, which delivers at most once: nothing here ever sends a request again.
"""
