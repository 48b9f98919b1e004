//! Adapters: fleets, routers and the state table on the AWS SDKs.
