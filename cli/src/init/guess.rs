//! A first source for a table, guessed from the names and types of its columns. Pure.
//!
//! A guess is a start. Each line says by a comment what to look at.

use std::fmt::Write as _;

use anyhow::bail;
use warehouse::rollup::trial::Column;

/// What is known of a table.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) table: String,
    pub(super) columns: Vec<Column>,
    /// The values of the column of states.
    pub(super) states: Vec<String>,
}

/// Usual names, the most telling first. A column's name counts without its case and its underscores.
const TENANTS: [&str; 12] = [
    "workspaceid",
    "tenantid",
    "customerid",
    "organizationid",
    "accountid",
    "teamid",
    "namespaceid",
    "projectid",
    "workspace",
    "tenant",
    "namespace",
    "project",
];
const ENTITIES: [&str; 12] = [
    "workflowid",
    "dagid",
    "pipelineid",
    "templateid",
    "jobid",
    "flowid",
    "workflow",
    "pipeline",
    "template",
    "dag",
    "job",
    "flow",
];
const PARTS: [&str; 7] = ["nodekey", "nodeid", "taskid", "stepid", "node", "task", "step"];
const ENDS: [&str; 10] = [
    "finishedat",
    "completedat",
    "endedat",
    "stoppedat",
    "closetime",
    "endtime",
    "enddate",
    "executeend",
    "ended",
    "finished",
];
const TIMES: [&str; 5] = ["timestamp", "time", "eventtime", "at", "createdat"];
const STATES: [&str; 6] = ["status", "state", "label", "conclusion", "result", "outcome"];
const FAILED: [&str; 9] =
    ["failed", "failure", "error", "crashed", "timeout", "timedout", "serverror", "servererror", "aborted"];
const UNFINISHED: [&str; 9] =
    ["running", "pending", "queued", "new", "waiting", "created", "inprogress", "requested", "scheduled"];
const SUCCESS: [&str; 4] = ["succeeded", "success", "ok", "passed"];
const IDS: [&str; 6] = ["executionid", "instanceid", "runid", "id", "uuid", "transactionid"];
const DURATIONS: [(&str, &str, f64); 10] = [
    ("durationms", "ms", 1_000.0),
    ("runtimems", "ms", 1_000.0),
    ("elapsedms", "ms", 1_000.0),
    ("latencyms", "ms", 1_000.0),
    ("durations", "s", 1.0),
    ("runtimes", "s", 1.0),
    ("executiontimeseconds", "s", 1.0),
    ("durationseconds", "s", 1.0),
    ("elapsedseconds", "s", 1.0),
    ("duration", "units", 1.0),
];
const OUTPUTS: [(&str, &str); 8] = [
    ("outputrecords", "records"),
    ("recordcount", "records"),
    ("records", "records"),
    ("rows", "rows"),
    ("outbytes", "bytes"),
    ("outputbytes", "bytes"),
    ("outputsize", "bytes"),
    ("jsonsizebytes", "bytes"),
];
/// The columns of PeerDB and ClickPipes, of MaterializedPostgreSQL, and of Debezium.
const VERSIONS: [&str; 3] = ["_peerdb_version", "_version", "__ver"];

impl Look {
    /// The name of a source: that of the table, as far as it may be one.
    pub(super) fn name(&self) -> String {
        let table = self.table.rsplit('.').next().unwrap_or(&self.table).to_ascii_lowercase();
        let name: String =
            table.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(40).collect();
        if name.starts_with(|c: char| c.is_ascii_lowercase()) { name } else { format!("t{name}") }
    }

    /// Whether a program writes it that copies the changes of another database, with the version of each row.
    fn is_replicated(&self) -> bool {
        self.columns.iter().any(|column| VERSIONS.contains(&column.name.as_str()))
    }

    /// The column of states, if there is one.
    pub(super) fn state(&self) -> Option<String> {
        self.find(&STATES, is_text).map(|column| column.name.clone())
    }

    /// The first column with one of these names and a fitting type.
    fn find(&self, names: &[&str], fits: impl Fn(&str) -> bool) -> Option<&Column> {
        let of = |name: &&str| {
            self.columns.iter().find(|column| plain(&column.name) == **name && fits(bare(&column.r#type)))
        };
        names.iter().find_map(of)
    }

    fn states_among(&self, words: &[&str]) -> Vec<&str> {
        self.states
            .iter()
            .map(String::as_str)
            .filter(|state| words.contains(&plain(state).as_str()))
            .collect()
    }
}

/// The text of a catalog with a first source.
pub(super) fn first_source(look: &Look, name: &str) -> anyhow::Result<String> {
    let any = |_: &str| true;
    let Some(time) = look.find(&ENDS, is_time).or_else(|| look.find(&TIMES, is_time)) else {
        bail!(
            "`{}` has no column of a time among {}: write the source by hand, as docs/sources.md says",
            look.table,
            look.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
        );
    };
    let entity = look.find(&ENTITIES, any);
    let part = look.find(&PARTS, any);
    let names: Vec<&str> = entity.into_iter().chain(part).map(|column| column.name.as_str()).collect();
    if names.is_empty() {
        bail!(
            "no column of `{}` names a workflow, a job or a node. If its series are of customers, write [[metric]] entries as \
             docs/metrics.md says; otherwise write the source by hand, as docs/sources.md says",
            look.table
        );
    }
    let (bad, unfinished) = conditions(look);
    let id = look.find(&IDS, any).map(|column| column.name.as_str());
    let mut text = format!(
        "# A first source for `{}`, guessed from its columns. Read each line.\n\n[[source]]\nname = \"{name}\"\ntable = \"{}\"\n",
        look.table, look.table
    );
    match look.find(&TENANTS, any) {
        Some(tenant) => line(&mut text, "tenant", &tenant.name, "who may see it"),
        None => line(&mut text, "tenant", "'all'", "no column names a customer: all is one customer's"),
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    writeln!(text, "entity = [{}] # what has a normal of its own, the widest first", quoted.join(", "))?;
    line(&mut text, "time", &time.name, "when the event was finished");
    if let Some(unfinished) = &unfinished {
        line(&mut text, "filter", unfinished, "only finished events count");
    }
    if let Some(bad) = &bad {
        line(&mut text, "bad", bad, "which events have failed");
    }
    if let Some(id) = id {
        line(&mut text, "id", id, "finds one event");
        writeln!(text, "ids = {{ execution_id = {id:?} }}")?;
        if look.is_replicated() {
            line(
                &mut text,
                "feed",
                "poll",
                "a replicated table: its rows are rewritten, and the newest one of an id counts",
            );
        }
    }
    metrics(&mut text, look, name, bad.is_some())?;
    Ok(text)
}

fn metrics(text: &mut String, look: &Look, name: &str, has_bad: bool) -> anyhow::Result<()> {
    writeln!(
        text,
        "\n# How many there are: judged by the models of the week.\n[[metric]]\nname = \"{name}_count\"\nsource = \"{name}\"\n\
         unit = \"events\"\naggregate = \"count\"\nmissing = \"zero\"\nmin_change = 20"
    )?;
    let duration = DURATIONS
        .iter()
        .find_map(|(wanted, unit, change)| Some((look.find(&[*wanted], is_number)?, *unit, *change)));
    if let Some((column, unit, change)) = duration {
        writeln!(
            text,
            "\n# Slow ones.\n[[metric]]\nname = \"{name}_duration\"\nsource = \"{name}\"\ntype = \"duration_spike\"\n\
             unit = \"{unit}\"\naggregate = \"p95\"\nvalue = \"{}\"\nmissing = \"gap\"\nmin_change = {change}\n\n\
             [[metric.rule]]\ntype = \"percentile\"\nfactor = 1.5\nmin_change = {change}",
            column.name
        )?;
    }
    let output = OUTPUTS.iter().find_map(|(wanted, unit)| Some((look.find(&[*wanted], is_number)?, *unit)));
    if let Some((column, unit)) = output {
        writeln!(
            text,
            "\n# Output that is lost.\n[[metric]]\nname = \"{name}_output\"\nsource = \"{name}\"\ntype = \"output_size_drop\"\n\
             unit = \"{unit}\"\naggregate = \"avg\"\nvalue = \"{}\"\nmissing = \"gap\"\nmin_change = 10\n\n\
             [[metric.rule]]\ntype = \"ratio\"",
            column.name
        )?;
    }
    if has_bad {
        for (of, kind, rule) in [
            ("error_rate", "error_rate_increase", "rate"),
            ("failures_in_a_row", "consecutive_failures", "streak"),
        ] {
            writeln!(
                text,
                "\n[[metric]]\nname = \"{name}_{of}\"\nsource = \"{name}\"\ntype = \"{kind}\"\nunit = \"events\"\n\
                 aggregate = \"rate\"\nmissing = \"gap\"\nmin_change = 0.05\n\n[[metric.rule]]\ntype = \"{rule}\""
            )?;
        }
    }
    Ok(())
}

/// The conditions on failed and on finished events, as far as the states tell.
fn conditions(look: &Look) -> (Option<String>, Option<String>) {
    if let Some(column) = look.find(&SUCCESS, |of| of == "Bool" || of.contains("Int")) {
        return (Some(format!("NOT {}", column.name)), None);
    }
    if let Some(column) = look.find(&FAILED, |of| of == "Bool" || of.contains("Int")) {
        return (Some(format!("{} != 0", column.name)), None);
    }
    let Some(state) = look.state() else { return (None, None) };
    let list = |states: Vec<&str>| states.iter().map(|state| quoted(state)).collect::<Vec<_>>().join(", ");
    let (failed, unfinished) = (look.states_among(&FAILED), look.states_among(&UNFINISHED));
    (
        (!failed.is_empty()).then(|| format!("{state} IN ({})", list(failed))),
        (!unfinished.is_empty()).then(|| format!("{state} NOT IN ({})", list(unfinished))),
    )
}

fn line(text: &mut String, key: &str, value: &str, why: &str) {
    // A text in memory takes every write.
    let _ = writeln!(text, "{key} = {value:?} # {why}");
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A name without its case and all but letters and digits.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// A type without Nullable and LowCardinality.
fn bare(of: &str) -> &str {
    ["Nullable(", "LowCardinality("]
        .iter()
        .find_map(|outer| of.strip_prefix(outer))
        .map_or(of, |inner| bare(inner.trim_end_matches(')')))
}

fn is_time(of: &str) -> bool {
    of.starts_with("DateTime")
}

fn is_text(of: &str) -> bool {
    of == "String" || of.starts_with("Enum") || of.starts_with("FixedString")
}

fn is_number(of: &str) -> bool {
    ["Int", "UInt", "Float", "Decimal"].iter().any(|number| of.starts_with(number))
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;

    use super::*;

    fn look(columns: &[(&str, &str)], states: &[&str]) -> Look {
        let column =
            |(name, of): &(&str, &str)| Column { name: (*name).to_owned(), r#type: (*of).to_owned() };
        Look {
            table: "etl.Runs".to_owned(),
            columns: columns.iter().map(column).collect(),
            states: states.iter().map(|state| (*state).to_owned()).collect(),
        }
    }

    fn metrics_of(text: &str) -> Vec<String> {
        let catalog = Catalog::parse(text, "guessed").unwrap();
        assert_eq!(crate::schema::faults(text), Vec::<String>::new(), "editors find no fault");
        catalog.all().flat_map(Catalog::metrics).map(|metric| metric.name.to_string()).collect()
    }

    #[test]
    fn a_table_of_executions_gives_all_metrics() {
        let look = look(
            &[
                ("id", "String"),
                ("workspace_id", "String"),
                ("workflow_id", "LowCardinality(String)"),
                ("node_key", "String"),
                ("status", "LowCardinality(Nullable(String))"),
                ("started_at", "DateTime64(3)"),
                ("finished_at", "Nullable(DateTime64(3, 'UTC'))"),
                ("duration_ms", "Nullable(UInt64)"),
                ("output_records", "UInt32"),
            ],
            &["completed", "failed", "RUNNING", "it's"],
        );
        assert_eq!(look.name(), "runs");
        let text = first_source(&look, "runs").unwrap();
        for line in [
            "tenant = \"workspace_id\"",
            "entity = [\"workflow_id\", \"node_key\"]",
            "time = \"finished_at\"",
            "filter = \"status NOT IN ('RUNNING')\"",
            "bad = \"status IN ('failed')\"",
            "id = \"id\"",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert_eq!(
            metrics_of(&text),
            ["runs_count", "runs_duration", "runs_output", "runs_error_rate", "runs_failures_in_a_row"]
        );
    }

    #[test]
    fn a_table_without_customers_and_states_gives_what_it_can() {
        let look = look(
            &[
                ("workflow", "String"),
                ("run", "UInt32"),
                ("ended", "DateTime('UTC')"),
                ("out_bytes", "Float64"),
                ("failed", "UInt8"),
                ("duration_s", "Float64"),
            ],
            &[],
        );
        let text = first_source(&look, "flows").unwrap();
        assert!(text.contains("tenant = \"'all'\"") && text.contains("bad = \"failed != 0\""), "{text}");
        assert_eq!(metrics_of(&text).len(), 5, "{text}");
    }

    #[test]
    fn a_replicated_table_is_polled() {
        let mut columns =
            vec![("id", "Int64"), ("workflowId", "String"), ("stoppedAt", "Nullable(DateTime64(6))")];
        let text = first_source(&look(&columns, &[]), "runs").unwrap();
        assert!(!text.contains("feed"), "{text}");
        columns.push(("_peerdb_version", "UInt64"));
        let text = first_source(&look(&columns, &[]), "runs").unwrap();
        assert!(text.contains("feed = \"poll\"") && metrics_of(&text) == ["runs_count"], "{text}");
    }

    #[test]
    fn a_table_that_says_too_little_is_refused_with_the_next_step() {
        for (columns, expected) in [
            (&[("workflow", "String")][..], "has no column of a time among workflow"),
            (&[("ended", "DateTime"), ("amount", "Float64")], "names a workflow, a job or a node"),
        ] {
            let error = first_source(&look(columns, &[]), "runs").unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("docs/"), "{error}");
        }
    }

    #[test]
    fn states_are_quoted() {
        assert_eq!(quoted(r"a'\b"), r"'a\'\\b'");
        assert_eq!(bare("LowCardinality(Nullable(String))"), "String");
        assert_eq!(look(&[], &[]).name(), "runs");
    }
}
