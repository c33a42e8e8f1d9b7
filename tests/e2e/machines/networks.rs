//! Trained networks in the runs of machines: from the samples to the fourth detector, past broken files, and what drift does.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use detector::outbox::Outbox;
use detector::{App, Request, TrainRequest};
use e2e::world::{END, hourly, text, variable};
use jiff::{SignedDuration, Timestamp};
use platform::emf::{NetworkFigures, RunFigures};

use super::{A_MINUTE, DELAY, Machines, PRESET};
use crate::installation::{meterflow_with, path};

/// The processor of one machine is busy. In the last hour before, all machines swing as never before.
const FAULT_AND_DRIFT: &str = "multiIf(name != 'system.cpu.utilization', 1, minute = 0 AND machine = 2, 0.05,
    minute < 60, if(minute % 2 = 0, 0.7, 1.3), 1)";

/// Before the swings.
const HOURS_BEFORE: SignedDuration = SignedDuration::from_hours(2);

impl Machines {
    /// A file of normal samples of a machine, two days until the swings.
    async fn samples(&self, file: &Path) -> Result<()> {
        let statement = format!(
            "SELECT 'timestamp,cpu_usage,latency' AS line
             UNION ALL
             SELECT * FROM
             (
                 SELECT concat(formatDateTime(toStartOfMinute(toDateTime(TimeUnix), 'UTC'), '%F %T', 'UTC'), ',',
                     toString(100 * (1 - avgIf(Value, MetricName = 'system.cpu.utilization'))), ',',
                     toString(avgIf(Value, MetricName = 'ping.rtt.avg'))) AS line
                 FROM otel_metrics_gauge
                 WHERE ResourceAttributes['host.name'] = 'web-1' AND TimeUnix < toDateTime64({until}, 9, 'UTC')
                     AND TimeUnix >= toDateTime64({until} - 172800, 9, 'UTC')
                 GROUP BY toStartOfMinute(toDateTime(TimeUnix), 'UTC') ORDER BY 1
             )",
            until = (self.end - HOURS_BEFORE).as_second()
        );
        let lines = self.world.clickhouse.query(&statement).fetch_all::<String>().await?;
        Ok(std::fs::write(file, lines.join("\n") + "\n")?)
    }

    /// A detector that reads networks at a place.
    async fn with_networks(&self, place: &str) -> Result<App> {
        let catalog = path(self.file.path())?;
        let settings = [("CATALOG_PATH", catalog), ("MACHINE_MODELS", place)];
        self.world.app_with(&settings, &self.world.aws).await?.of_source("machines")
    }

    /// What the descriptions of all anomalies say after a run, and the figures of the networks.
    async fn judged(&self, app: &App, end: Timestamp) -> Result<(Vec<String>, NetworkFigures)> {
        let request = Request { source: Some("machines".to_owned()), time: end + DELAY, ..hourly(END) };
        let deadline = Instant::now() + Duration::from_secs(120);
        let (mut figures, mut outbox) = (RunFigures::default(), Outbox::default());
        detector::steps(app, app, &request, "run", deadline, &mut figures, &mut outbox).await?;
        let items = self.world.all_items().await?;
        let anomalies = items.iter().filter(|item| text(item, "sk").starts_with("ANOMALY"));
        let said = anomalies.map(|item| text(item, "description")).collect();
        Ok((said, figures.networks.context("figures of the networks")?))
    }
}

/// The preset with the processor and the latency alone. To train a network takes seconds.
fn of_two_metrics() -> String {
    let mut parts = PRESET.split("\n[[metric]]\n");
    let source = parts.next().unwrap_or_default().to_owned();
    let kept = parts.filter(|part| ["machine_cpu", "machine_latency"].iter().any(|name| part.contains(name)));
    kept.fold(source, |catalog, metric| catalog + "\n[[metric]]\n" + metric)
}

/// Trains two networks by the program, and returns what it printed.
async fn train(samples: &Path, place: &str) -> Result<String> {
    let arguments = ["train", path(samples)?, "--models", place, "--epochs", "6"];
    let aws = variable("AWS_ENDPOINT_URL")?;
    let answer = meterflow_with(None, &arguments, &[("AWS_ENDPOINT_URL", &aws)]).await?;
    answer.assert(0, &["cpu_usage: error", "latency: error", "wrote"]);
    Ok(answer.text)
}

#[tokio::test]
async fn a_trained_network_is_the_fourth_detector_and_sees_drift() -> Result<()> {
    let machines = Machines::new().await?;
    machines.insert(3, A_MINUTE, FAULT_AND_DRIFT).await?;
    let folder = tempfile::tempdir()?;
    let (samples, models) = (folder.path().join("normal.csv"), folder.path().join("models"));
    machines.samples(&samples).await?;
    train(&samples, path(&models)?).await?;

    // A version that is newer and broken stops nothing.
    std::fs::write(models.join("99990101T000000Z-00000000.json"), b"{\"format\": 1")?;
    let app = machines.with_networks(path(&models)?).await?;
    let (said, before) = machines.judged(&app, machines.end - HOURS_BEFORE).await?;
    assert_eq!((said.len(), before.refused), (0, 1), "{said:?}");
    let ratio = |figures: &NetworkFigures, network: &str| figures.errors[network].ratio().unwrap_or_default();
    for network in ["cpu_usage", "latency"] {
        assert_eq!(before.errors[network].judged, 6);
        let ratio = ratio(&before, network);
        assert!((0.2..2.0).contains(&ratio), "{network}: {ratio}");
    }

    let (said, after) = machines.judged(&app, machines.end).await?;
    // One of the machines that swing may be odd as well, by the hour of the day.
    let is_of_fault = |said: &&String| said.contains("machine_cpu: 9");
    let fault = said.iter().find(is_of_fault).with_context(|| format!("the fault is not in {said:?}"))?;
    assert!(fault.contains("of 4 detectors flag it"), "{fault}");
    assert_eq!(after.refused, 0, "it looks again after a quarter of an hour");
    let (swinging, steady) = (ratio(&after, "cpu_usage"), ratio(&after, "latency"));
    assert!(swinging > 10.0 && steady < 2.0, "{swinging}, {steady}");
    assert_eq!(after.errors.len(), 2, "the file has two networks");
    Ok(())
}

#[tokio::test]
async fn networks_in_s3_are_written_by_the_program_and_read_by_runs() -> Result<()> {
    let machines = Machines::new().await?;
    machines
        .insert(3, A_MINUTE, "if(minute = 0 AND machine = 2 AND name = 'system.cpu.utilization', 0.05, 1)")
        .await?;
    let folder = tempfile::tempdir()?;
    let samples = folder.path().join("normal.csv");
    machines.samples(&samples).await?;
    let bucket = machines.world.database.replace('_', "-");
    let s3 = aws_sdk_s3::Client::new(&machines.world.aws);
    s3.create_bucket().bucket(&bucket).send().await?;
    let place = format!("s3://{bucket}/machines");
    let printed = train(&samples, &place).await?;
    assert!(printed.contains(&format!("wrote {place}/2")), "{printed}");

    // Files of other folders are none of this place.
    let other = s3.put_object().bucket(&bucket).key("machines/old/9.json").body(b"{".to_vec().into());
    other.send().await?;
    let app = machines.with_networks(&place).await?;
    let (said, figures) = machines.judged(&app, machines.end).await?;
    let [said] = said.as_slice() else { panic!("{said:?}") };
    assert!(said.contains("of 4 detectors flag it") && figures.refused == 0, "{said}");

    // Without the bucket a run goes on, and says so.
    let lost = machines.with_networks("s3://no-such-bucket-of-networks/machines").await?;
    let (_, figures) = machines.judged(&lost, machines.end).await?;
    assert_eq!((figures.refused, figures.errors.len()), (1, 0));
    Ok(())
}

#[tokio::test]
async fn networks_are_trained_anew_without_the_times_of_incidents() -> Result<()> {
    let machines = Machines::of_five_minutes(&of_two_metrics()).await?;
    // Half an hour of a fault, an hour ago, and one now.
    machines
        .insert(
            3,
            A_MINUTE,
            "if((minute = 0 OR minute BETWEEN 60 AND 90) AND machine = 2 AND name = 'system.cpu.utilization', 0.05, 1)",
        )
        .await?;
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("models");
    let app = machines.with_networks(path(&place)?).await?;
    let ago = |minutes| machines.end - SignedDuration::from_mins(minutes);
    let train = async || {
        let request = TrainRequest { time: ago(1) + DELAY, source: "machines".to_owned() };
        detector::train(&app, &request, Instant::now() + Duration::from_secs(60)).await
    };
    let with_the_fault = train().await?;
    assert_eq!((with_the_fault.entities, with_the_fault.samples_left_out), (6, 0));

    // The fault is found where it begins, and goes on.
    let (said, _) = machines.judged(&app, ago(90)).await?;
    assert_eq!(said.len(), 1, "{said:?}");
    let request = Request { source: Some("machines".to_owned()), time: ago(75) + DELAY, ..hourly(END) };
    e2e::world::run(&app, &request).await?;
    let anew = train().await?;
    println!("{anew:?}");
    assert_eq!((anew.entities, anew.networks.len()), (6, 2), "{:?}", anew.left_out);
    // The machine's two metrics, from the first window of the incident to the last one that changed it.
    assert_eq!(anew.samples_left_out, 16 * 2);
    assert_ne!(anew.version, with_the_fault.version);

    // The version is in the folder, and votes.
    let version = anew.version.context("a version")?;
    assert!(place.join(format!("{version}.json")).is_file());
    let (_, figures) = machines.judged(&app, ago(30)).await?;
    assert_eq!((figures.refused, figures.errors.len()), (0, 2));
    let ratios: Vec<_> = figures.errors.values().filter_map(|error| error.ratio()).collect();
    assert!(ratios.iter().all(|ratio| (0.2..2.0).contains(ratio)), "{ratios:?}");
    Ok(())
}
