//! `meterflow completions` and `meterflow man`: what a shell and `man` know of the program, made from its arguments.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::output::say;

#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// The shell that completes the commands.
    shell: Shell,
}

#[derive(Args)]
pub(crate) struct ManArgs {
    /// Where the pages are to be, such as /usr/local/share/man/man1. The folder is made if there is none.
    folder: PathBuf,
}

pub(crate) fn completions(mut program: Command, args: &CompletionsArgs) -> anyhow::Result<()> {
    let (name, mut script) = (program.get_name().to_owned(), Vec::new());
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    let script = String::from_utf8(script).context("the script is no text")?;
    say!("{}", script.trim_end());
    Ok(())
}

/// Writes a page for the program and one for each command.
pub(crate) fn pages(program: Command, args: &ManArgs) -> anyhow::Result<()> {
    let folder = args.folder.as_path();
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(program, folder))
        .with_context(|| format!("cannot write the pages into {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::Arguments;

    /// The names of the pages, as `man` looks for them.
    fn names(command: &Command, before: &str) -> Vec<String> {
        let name = format!("{before}{}", command.get_name());
        let below = command.get_subcommands().filter(|command| !command.is_hide_set());
        let below = below.flat_map(|command| names(command, &format!("{name}-"))).collect::<Vec<_>>();
        [vec![format!("{name}.1")], below].concat()
    }

    #[test]
    fn each_command_has_a_page() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("share/man1");
        pages(Arguments::command(), &ManArgs { folder: folder.clone() }).unwrap();

        let written = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name());
        let written: BTreeSet<String> = written.map(|name| name.into_string().unwrap()).collect();
        assert_eq!(written, names(&Arguments::command(), "").into_iter().collect());

        let migrate = std::fs::read_to_string(folder.join("meterflow-migrate.1")).unwrap();
        assert!(migrate.contains("\\-\\-dry\\-run"), "{migrate}");
        assert!(migrate.contains("CLICKHOUSE_PASSWORD"), "{migrate}");
    }

    #[test]
    fn a_page_that_cannot_be_written_is_an_error_with_its_folder() {
        let place = tempfile::NamedTempFile::new().unwrap();
        let error = pages(Arguments::command(), &ManArgs { folder: place.path().to_owned() }).unwrap_err();
        assert!(error.to_string().contains(&place.path().display().to_string()), "{error}");
    }
}
