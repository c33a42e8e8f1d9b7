//! The cost of a start: the detector's cold start beside the same job on Node.js, the first random number of a process,
//! and the size of the packages.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::World;
use e2e::deployed::event;
use e2e::world::{END, at, steady_then};
use serde_json::Value;

use crate::program::{
    PROGRAMS, Program, Running, built_by_make, detector, median, megabytes, most_memory, runtime_api,
    target_folder,
};
use bench::figure::{Figure, Goal};

/// Starts of each program.
const STARTS: usize = 15;

/// Goal: a Node.js function takes at least this many times as long as the detector until it asks for work.
const COLD_START_RATIO: f64 = 15.0;

/// Milliseconds that the first random number may take.
const FIRST_RANDOM_MS: f64 = 1.0;

/// Megabytes of a package.
const PACKAGE_MB: f64 = 6.5;

/// The file of trusted authorities, on Amazon Linux and on other systems.
const CERTIFICATES: [&str; 2] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];

/// Longest wait for a program.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let target = target_folder();
    let mut figures = cold_starts(&target).await?;
    figures.push(first_random()?);
    figures.extend(packages(&target)?);
    Ok(figures)
}

/// The time from the start of a process to its first request for work. The programs take turns, so both meet the same
/// machine.
async fn cold_starts(target: &Path) -> Result<Vec<Figure>> {
    let detector = detector(target)?;
    let Some(node) = node_function(target)? else {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            starts.push(cold_start(&detector).await?);
        }
        return Ok(median_memory(&detector, &starts).into_iter().collect());
    };
    ensure_same_job(&detector, &node).await?;
    let (mut of_detector, mut of_node) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        of_detector.push(cold_start(&detector).await?);
        of_node.push(cold_start(&node).await?);
    }
    let (detector_ms, node_ms) = (median_time(&of_detector), median_time(&of_node));
    let made_of = format!("medians of {STARTS}: {} {node_ms:.1} ms, detector {detector_ms:.1} ms", node.name);
    let ratio = Figure::new(
        "cold start: the same job on Node.js / detector",
        node_ms / detector_ms,
        "x",
        Goal::AtLeast(COLD_START_RATIO),
        made_of,
    );
    let memory = [median_memory(&detector, &of_detector), median_memory(&node, &of_node)];
    Ok([Some(ratio)].into_iter().chain(memory).flatten().collect())
}

/// The time of the first random number of a process. The first TLS connection waits for it.
fn first_random() -> Result<Figure> {
    let program = build_example("first_random")?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let output = Command::new(&program)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        ensure!(output.status.success(), "{} failed: {}", program.display(), output.status);
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let microseconds: f64 = text.parse().with_context(|| format!("{text:?} is no time"))?;
        times.push(microseconds / 1_000.0);
    }
    let most = times.iter().copied().fold(0.0, f64::max);
    let made_of = format!("median of {STARTS} processes, the slowest {most:.2} ms");
    let goal = Goal::AtMost(FIRST_RANDOM_MS);
    Ok(Figure::new("first random number of a process", median(times), "ms", goal, made_of))
}

/// The size of each package. Lambda fetches the package before a cold start.
fn packages(target: &Path) -> Result<Vec<Figure>> {
    let figure = |program: &&str| {
        let path = target.join("lambda").join(program).join("bootstrap.zip");
        let size = fs::metadata(&path).with_context(|| built_by_make(&path))?.len();
        let goal = Goal::AtMost(PACKAGE_MB);
        Ok(Figure::new(format!("package of {program}"), megabytes(size), "MB", goal, format!("{size} bytes")))
    };
    PROGRAMS.iter().map(figure).collect()
}

/// One cold start.
struct ColdStart {
    time: Duration,
    /// Peak memory until then, in megabytes, if the system reports it.
    memory: Option<f64>,
}

async fn cold_start(program: &Program) -> Result<ColdStart> {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
        ("AWS_REGION", "us-east-1"),
        ("CLICKHOUSE_URL", "https://clickhouse.example.com:8443"),
        ("CLICKHOUSE_DATABASE", "meterflow"),
        ("CLICKHOUSE_PASSWORD", "secret"),
        ("ANOMALIES_TABLE", "anomalies"),
        ("ALERT_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:alerts"),
    ];
    let mut variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    // All authorities in one file, as deployed.
    let bundle = CERTIFICATES.into_iter().find(|path| Path::new(path).exists());
    variables.extend(bundle.map(|path| ("SSL_CERT_FILE".to_owned(), path.to_owned())));
    let runtime_api = runtime_api(None, PATIENCE).await?;
    let started = Instant::now();
    let mut running = Running::start(program, runtime_api, &variables)?;
    let request = running.request("/invocation/next", PATIENCE).await?;
    Ok(ColdStart { time: request.at - started, memory: most_memory(running.process.id()) })
}

/// Both must find, store and publish the same. Otherwise the comparison means nothing.
async fn ensure_same_job(detector: &Program, node: &Program) -> Result<()> {
    const SPIKES: u32 = 20;
    let world = World::new().await?;
    world.insert_spikes(SPIKES).await?;
    world.insert(&steady_then("steady", at(END), 7_200_000.0)).await?;
    let of_detector = job(detector, &world).await?;
    let of_node = job(node, &world.sibling().await?).await?;
    ensure!(
        of_node == of_detector && of_detector.told == u64::from(SPIKES),
        "the function on Node.js does another job: {of_node:?}, and the detector {of_detector:?}"
    );
    Ok(())
}

/// The results of one event.
#[derive(Debug, PartialEq)]
struct Job {
    checked: Value,
    found: Value,
    stored: u64,
    told: u64,
}

async fn job(program: &Program, world: &World) -> Result<Job> {
    let mut variables = world.variables(&[]);
    variables.extend(env::vars().filter(|(name, _)| name.starts_with("AWS_")));
    let runtime_api = runtime_api(Some(event("detector-scheduled", END)?), PATIENCE).await?;
    let mut running = Running::start(program, runtime_api, &variables)?;
    let answer = running.request("/response", PATIENCE).await?.json();
    Ok(Job {
        checked: answer["checked"].clone(),
        found: answer["anomalies_found"].clone(),
        stored: u64::try_from(world.items().await?.len())?,
        told: u64::try_from(world.messages().await?.len())?,
    })
}

/// The same job on Node.js, installed and bundled beside the other build results. None without Node.js.
fn node_function(target: &Path) -> Result<Option<Program>> {
    let (Some(node), Some(_)) = (version("node")?, version("npm")?) else {
        println!("The ratio of cold starts is left out: install Node.js 20 or newer, with npm, to get it.");
        return Ok(None);
    };
    let folder = target.join("bench-node");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for file in ["package.json", "package-lock.json", "handler.mjs", "bootstrap.mjs"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("figures/node").join(file);
        fs::copy(&source, folder.join(file)).with_context(|| format!("cannot copy {}", source.display()))?;
    }
    npm(&folder, &["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"])?;
    npm(&folder, &["run", "bundle"])?;
    let argument = Some(folder.join("bootstrap.mjs"));
    Ok(Some(Program { name: format!("Node.js {node}"), path: "node".into(), argument }))
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new("npm")
        .args(arguments)
        .arg("--loglevel=error")
        .current_dir(folder)
        .stdout(Stdio::null())
        .status()
        .context("cannot run npm")?;
    ensure!(
        status.success(),
        "`npm {}` in {} failed: its message is above",
        arguments.join(" "),
        folder.display()
    );
    Ok(())
}

/// A program's own version. None if the program is not installed.
fn version(program: &str) -> Result<Option<String>> {
    match Command::new(program).arg("--version").stderr(Stdio::null()).output() {
        Ok(output) => Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot run {program}")),
    }
}

/// Builds an example of the crate `platform` and returns its path.
///
/// It is built together with the tests' package and in the bench's own profile, so nearly all of it is built already.
fn build_example(name: &str) -> Result<PathBuf> {
    let profile = if cfg!(debug_assertions) { "dev" } else { "bench" };
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--message-format=json", "--profile", profile])
        .args(["-p", "e2e", "-p", "platform", "--example", name])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run cargo to build the example {name}"))?;
    ensure!(output.status.success(), "cargo could not build the example {name}: its message is above");
    let executable = |line: &str| -> Option<PathBuf> {
        let message: Value = serde_json::from_str(line).ok()?;
        (message["target"]["name"] == name)
            .then(|| message["executable"].as_str().map(PathBuf::from))
            .flatten()
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(executable)
        .with_context(|| format!("cargo built the example {name} and did not say where it is"))
}

fn median_memory(program: &Program, starts: &[ColdStart]) -> Option<Figure> {
    let memory: Vec<f64> = starts.iter().map(|start| start.memory).collect::<Option<_>>()?;
    let (name, made_of) = (format!("memory at cold start: {}", program.name), format!("median of {STARTS}"));
    Some(Figure::new(name, median(memory), "MB", Goal::Stated, made_of))
}

fn median_time(starts: &[ColdStart]) -> f64 {
    median(starts.iter().map(|start| start.time.as_secs_f64() * 1_000.0).collect())
}
