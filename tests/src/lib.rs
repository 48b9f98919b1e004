//! What the deployments under test share.
