//! Work ahead for later runs, after a run has published its findings.

use std::time::Instant;

use catalog::Method;

use crate::app::App;
use crate::fit::fit;
use crate::prebuild::prebuild;
use crate::request::Request;

/// Makes ready what the run of the next hour reads: models, or the baseline of the classical rule.
pub async fn prepare(app: &App, request: &Request, deadline: Instant) {
    match app.detection.method {
        Method::ZScore => prebuild(app, request, deadline).await,
        Method::Ensemble => fit(app, request, deadline).await,
    }
}
