//! Runs a fuzz target on bytes from a seeded generator, without libFuzzer.

use clap::Parser;
use raftcore_fuzz::{Generator, Target};
use std::panic::{self, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{fs, io};

/// How often the number of executions is told.
const REPORT: u64 = 1_000_000;

/// Runs a fuzz target without libFuzzer.
#[derive(Parser)]
struct Arguments {
    target: Target,
    /// Play these instead, findings for example.
    files: Vec<PathBuf>,
    /// How many executions.
    #[arg(long, default_value_t = 20_000)]
    count: u64,
    /// The number of the first one.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Another seed gives other bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print every input and every answer, where the target knows such.
    #[arg(long)]
    tell: bool,
    /// Write the bytes to begin with into this folder, for libFuzzer, and stop.
    #[arg(long, value_name = "FOLDER")]
    write_corpus: Option<PathBuf>,
    /// Where findings are written.
    #[arg(long, value_name = "FOLDER", default_value = "fuzz/artifacts")]
    findings: PathBuf,
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let target = arguments.target;
    if let Some(folder) = &arguments.write_corpus {
        fs::create_dir_all(folder)?;
        for (number, bytes) in target.seeds().iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), bytes)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    for file in &arguments.files {
        target.run(&fs::read(file)?, arguments.tell);
    }
    if !arguments.files.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let generator = Generator::new(target, arguments.seed);
    let start = Instant::now();
    for done in 0..arguments.count {
        let number = arguments.first.saturating_add(done);
        let bytes = generator.bytes(number);
        if catch_unwind(|| target.run(&bytes, arguments.tell)).is_err() {
            eprintln!("execution {number} of seed {} is a finding", arguments.seed);
            keep(target, bytes, &arguments.findings)?;
            return Ok(ExitCode::FAILURE);
        }
        if (done + 1) % REPORT == 0 || done + 1 == arguments.count {
            let rate = (done + 1) as f64 / start.elapsed().as_secs_f64();
            println!("{} executions without a finding, {rate:.0} a second", done + 1);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a finding as short as it can be and writes it to a file.
fn keep(target: Target, bytes: Vec<u8>, folder: &Path) -> io::Result<()> {
    panic::set_hook(Box::new(|_| {}));
    let bytes = shortest(bytes, |bytes| catch_unwind(|| target.run(bytes, false)).is_err());
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{target}-{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes)));
    fs::write(&path, bytes)?;
    let path = path.display();
    eprintln!("to repeat it: cargo run -p raftcore-fuzz --bin fuzz-run -- {target} {path} --tell");
    Ok(())
}

/// Leaves out, then makes zero, whatever is not needed.
fn shortest(mut bytes: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut length = bytes.len().next_power_of_two();
    while length > 0 {
        let mut at = 0;
        while at < bytes.len() {
            let mut fewer = bytes.clone();
            fewer.drain(at..(at + length).min(bytes.len()));
            if fails(&fewer) {
                bytes = fewer;
            } else {
                at += length;
            }
        }
        length /= 2;
    }
    for at in 0..bytes.len() {
        let before = core::mem::take(&mut bytes[at]);
        if !fails(&bytes) {
            bytes[at] = before;
        }
    }
    bytes
}
