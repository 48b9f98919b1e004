//! The steps of a deployment: act, check, undo.
