//! The measured programs: their start on a runtime API of their own, and their cost.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use e2e::receiver::{Received, Receiver, Reply};
use e2e::world::now;
use serde_json::Value;
use tokio::sync::mpsc;

/// Programs as they are packaged.
pub(crate) const PROGRAMS: [&str; 3] = ["anomaly-detection", "anomaly-api", "anomaly-notifier"];

/// A program that speaks the Lambda runtime API.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) argument: Option<PathBuf>,
}

/// A program at work, on a runtime API of its own. It is killed when this is dropped.
pub(crate) struct Running {
    pub(crate) process: Child,
    requests: mpsc::UnboundedReceiver<Received>,
    _runtime_api: Receiver,
}

/// A runtime API with one event or none, and the requests that it gets.
pub(crate) async fn runtime_api(
    event: Option<Value>,
    patience: Duration,
) -> Result<(Receiver, mpsc::UnboundedReceiver<Received>)> {
    let (sender, requests) = mpsc::unbounded_channel();
    let deadline = (now() + patience).duration_since(UNIX_EPOCH)?.as_millis().to_string();
    let receiver = Receiver::start(move |request| {
        // Nobody listens any more when a program is being killed.
        let _ = sender.send(request.clone());
        match &event {
            _ if !request.path.ends_with("/invocation/next") => Reply::with(202, ""),
            Some(event) if request.earlier == 0 => Reply::ok(event.to_string())
                .header("lambda-runtime-aws-request-id", "1")
                .header("lambda-runtime-deadline-ms", deadline.clone())
                .header(
                    "lambda-runtime-invoked-function-arn",
                    "arn:aws:lambda:us-east-1:000000000000:function:f",
                ),
            // No event is left. The program waits for one as on Lambda.
            _ => Reply::ok("").after(2 * patience),
        }
    })
    .await?;
    Ok((receiver, requests))
}

impl Running {
    /// Starts the program with these variables and those of Lambda, and no others.
    pub(crate) fn start(
        program: &Program,
        (runtime_api, requests): (Receiver, mpsc::UnboundedReceiver<Received>),
        variables: &[(String, String)],
    ) -> Result<Self> {
        let process = Command::new(&program.path)
            .args(&program.argument)
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            // The settings of the person who runs the bench must not reach the function.
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api.url.trim_start_matches("http://"))
            .env("AWS_LAMBDA_FUNCTION_NAME", "function-under-test")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            // The SDK for Node.js would spend time on a warning about newer versions.
            .env("AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED", "true")
            // Of two variables of one name the first counts.
            .envs(variables.iter().rev().map(|(name, value)| (name, value)))
            // Logs and metrics. Errors of a start are on standard error.
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.path.display()))?;
        Ok(Self { process, requests, _runtime_api: runtime_api })
    }

    /// The next request to a path with this end. A request that reports an error is an error.
    pub(crate) async fn request(&mut self, path: &str, patience: Duration) -> Result<Received> {
        let wanted = async {
            while let Some(request) = self.requests.recv().await {
                if request.path.ends_with(path) {
                    return Ok(request);
                }
                ensure!(!request.path.ends_with("/error"), "the program failed: {}", request.body);
            }
            bail!("the runtime API ended");
        };
        let answer = tokio::time::timeout(patience, wanted).await;
        answer.with_context(|| format!("no request to …{path} within {} s", patience.as_secs()))?
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have ended by itself. Then nothing is left to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The detector as it is packaged.
pub(crate) fn detector(target: &Path) -> Result<Program> {
    let path = target.join("release").join(PROGRAMS[0]);
    ensure!(path.is_file(), built_by_make(&path));
    Ok(Program { name: "detector".to_owned(), path, argument: None })
}

/// Cargo's folder of build results.
pub(crate) fn target_folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    workspace.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

pub(crate) fn built_by_make(path: &Path) -> String {
    format!("there is no {}: run `make build`", path.display())
}

/// Peak memory of a process, in megabytes. Only Linux reports it.
pub(crate) fn most_memory(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(megabytes(kibibytes * 1_024))
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(crate) fn median_time(times: Vec<Duration>) -> Duration {
    Duration::from_secs_f64(median(times.iter().map(Duration::as_secs_f64).collect()))
}
