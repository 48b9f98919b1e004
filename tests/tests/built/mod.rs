//! The programs of this workspace, built as they are shipped in the end: from the sources as they stand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a folder of their own")
}

/// The directory with these programs, which are built first when one is missing or older than its sources.
///
/// That is looked at once for each test program, so that an edit does not change what a running test runs.
pub(crate) fn programs(names: &[&str]) -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let test = std::env::current_exe().expect("this test is a program");
        // target/debug/deps/NAME-HASH
        let directory = test.ancestors().nth(2).expect("cargo builds into directories").to_owned();
        if !names.iter().all(|name| is_current(&directory.join(name))) {
            build(&directory);
        }
        for name in names {
            assert!(directory.join(name).is_file(), "cargo build --workspace makes no {name}");
        }
        directory
    })
}

/// Whether a program exists and none of the files that cargo made it from has changed since.
fn is_current(program: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let (Some(built), Ok(sources)) = (modified(program), fs::read_to_string(program.with_extension("d"))) else {
        return false;
    };
    let Some((_, sources)) = sources.split_once(": ") else { return false };
    let older = |source: Option<SystemTime>| source.is_some_and(|source| source <= built);
    // A space that belongs to a name has a backslash before it.
    let sources = sources.trim_end().replace("\\ ", "\0");
    sources.split(' ').all(|source| older(modified(Path::new(&source.replace('\0', " ")))))
}

/// The whole workspace, since cargo would build the dependencies of another selection again with other features.
fn build(directory: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        // As `cargo xtask test` builds it: another profile would have everything built a second time.
        None | Some("debug") => "test",
        Some(other) => other,
    };
    let mut command = Command::new(cargo);
    command.args(["build", "--workspace", "--bins", "--profile", profile]).current_dir(root());
    // `cargo test` describes this package here; build scripts that look at it would run again and again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    let status = command.status().expect("cargo is there, since it runs this test");
    assert!(status.success(), "cargo build --workspace --bins: {status}");
}
