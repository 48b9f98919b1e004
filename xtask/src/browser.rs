//! The dashboard in a real browser: the stories of tests/browser, in Debian's Chromium.

use std::path::PathBuf;

use clap::Args;

use crate::schema;
use crate::steps::{Result, Steps};

/// What to play.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only this story; may be given several times
    #[arg(long)]
    story: Vec<String>,
    /// A folder for pictures of every page, in light and dark, wide and narrow
    #[arg(long)]
    pictures: Option<PathBuf>,
}

/// Plays them. The command has to be built.
pub(crate) fn run(steps: &mut Steps, options: &Options) -> Result {
    let mut command = steps.command("python3", &["tests/browser/stories.py"]);
    command.arg(schema::target_directory(steps)?.join("debug/crossfade")).env("PYTHONDONTWRITEBYTECODE", "1");
    for story in &options.story {
        command.arg("--story").arg(story);
    }
    if let Some(pictures) = &options.pictures {
        command.arg("--pictures").arg(pictures);
    }
    steps.run("dashboard: in a browser (on Debian: apt-get install chromium)", command)
}
