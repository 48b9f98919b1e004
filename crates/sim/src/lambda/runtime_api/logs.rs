//! Where the children's output goes.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Called with the function's name and each line it writes, without the line end.
pub type LogSink = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// A sink that appends to a file, each line with the function's name before it. Fails when it cannot be opened.
pub fn log_to_file(path: &Path) -> std::io::Result<LogSink> {
    let file = Mutex::new(OpenOptions::new().create(true).append(true).open(path)?);
    Ok(Arc::new(move |function, line| {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written must not fail the function.
        let _ = writeln!(file, "{function}: {line}");
    }))
}

/// Hands every line of `output` to the sink, until it is closed.
pub(super) fn forward(function: &str, output: impl AsyncRead + Unpin + Send + 'static, logs: &LogSink) {
    let (function, logs) = (function.to_owned(), logs.clone());
    tokio::spawn(async move {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            logs(&function, &line);
        }
    });
}
