//! The domain: document, plan, decisions, errors. Pure.
