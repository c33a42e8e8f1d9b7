//! The deployed API as its callers reach it: through the gateway of the emulator, with tokens that the gateway checks,
//! answered by the real function.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::api::Answer;
use crate::world::variable;

/// The root of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The API as the bearer of one token sees it.
#[derive(Clone)]
pub struct Gateway {
    /// Host and port of the emulator.
    address: String,
    /// The name by which the emulator knows the API.
    host: String,
    token: Option<String>,
}

impl Gateway {
    /// As an operator.
    pub fn new() -> Result<Self> {
        let url = variable("API_URL")?;
        let address = url.strip_prefix("http://").context("API_URL is not an address of HTTP")?.to_owned();
        Ok(Self { address, host: variable("API_HOST")?, token: Some(variable("API_TOKEN_ADMIN")?) })
    }

    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    pub fn without_token(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// The address below which the routes are, for clients that send [`Gateway::host`] as the Host header.
    pub fn base_url(&self) -> String {
        format!("http://{}/$default", self.address)
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// The gateway's own id of the API.
    pub fn api_id(&self) -> &str {
        self.host.split('.').next().unwrap_or_default()
    }

    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, &[], body.to_string().into_bytes()).await
    }

    /// The JSON of a GET that must succeed.
    pub async fn read(&self, path: &str) -> Result<Value> {
        let answer = self.get(path).await?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text);
        Ok(answer.json)
    }

    /// A request of any kind. The path with its query is sent unchanged. A client that corrects it would hide the
    /// gateway's behaviour.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer> {
        let mut request =
            Request::builder().method(method).uri(format!("/$default{path}")).header("host", &self.host);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).context(path.to_owned())?;

        let stream = TcpStream::connect(&self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let text = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
        connection.abort();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, text, json })
    }
}

/// A token signed by the issuer of this cloud. `cloud.py token --help` lists the arguments.
pub fn token(arguments: &[&str]) -> Result<String> {
    let program = [&["infra/local/cloud.py", "token"], arguments].concat();
    Ok(run("python3", &program)?.trim().to_owned())
}

/// A token of an unknown issuer: signed with a key of its own, which is put into `folder`, and otherwise as good as an
/// operator's.
pub fn foreign_token(folder: &std::path::Path, claims: &Value) -> Result<String> {
    let issuer = |operation: &str, mut arguments: Value| {
        arguments["key_file"] = folder.join("key.pem").display().to_string().into();
        arguments["base_url"] = "https://issuer.example.com".into();
        run(
            ".local/tools/venv/bin/python",
            &["infra/local/issuer_calls.py", operation, &arguments.to_string()],
        )
    };
    issuer("describe", serde_json::json!({}))?;
    let tokens: Vec<String> =
        serde_json::from_str(&issuer("sign", serde_json::json!({ "tokens": [claims] }))?)?;
    tokens.into_iter().next().context("no token")
}

/// The output of a program. It runs in the root of the repository.
fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new(program).args(arguments).current_dir(ROOT).output().context(program.to_owned())?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {complaint}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}
