//! Runs the matrix of faults. Start it with `cargo xtask faults`.
use crossfade_tests::faults::matrix::Matrix;
use crossfade_tests::faults::report::Report;
use std::sync::Mutex;
use std::time::Instant;

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let args: Vec<String> = std::env::args().collect();
    let started = Instant::now();
    let strategy = args.get(1).cloned().unwrap_or_default();
    let kind_wanted = args.get(2).cloned().unwrap_or_default();
    let matrix = Matrix::new(|case, kind| case.name().starts_with(&strategy) && kind.name().contains(&kind_wanted));
    eprintln!("{} cells, baselines {:.1} s", matrix.cells.len(), started.elapsed().as_secs_f64());
    let report = Mutex::new((Report::default(), 0usize));
    matrix.run(|cell, verdict| {
        let mut r = report.lock().unwrap();
        r.0.count(matrix.cases[cell.case].strategy.name, cell.injection.kind.name(), verdict);
        if !verdict.problems.is_empty() {
            r.1 += 1;
            if r.1 < 60 {
                eprintln!(
                    "BROKEN {}: {:?}\n   {}",
                    matrix.describe(cell),
                    verdict.ending,
                    verdict.problems.join("\n   ")
                );
                if r.1 < 8 {
                    eprintln!("{:#?}", verdict.log);
                }
            }
        } else if !verdict.struck {
            eprintln!("idle {}", matrix.describe(cell));
        }
    });
    let r = report.lock().unwrap();
    println!("{}", r.0);
    println!("{}", r.0.summary(0, started.elapsed().as_secs_f64()));
}
