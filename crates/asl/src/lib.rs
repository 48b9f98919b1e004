//! Amazon States Language: parser, lint rules and interpreter of the subset crossfade ships.
