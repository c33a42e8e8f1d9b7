//! The first line of a file, which names the columns.

use csv::ByteRecord;

use super::fault::shorten;

/// Names of columns, all of them known.
pub(crate) struct Header {
    names: Vec<String>,
    /// The columns that a file must have, for errors.
    expected: &'static str,
}

impl Header {
    /// `Err` names a column that is not known.
    pub(crate) fn of(record: &ByteRecord, known: &[&str], expected: &'static str) -> Result<Self, String> {
        let names: Vec<_> = record
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        if let [only] = names.as_slice()
            && only.contains([';', '\t'])
        {
            return Err(format!("columns are separated by commas, not by semicolons or tabs; {expected}"));
        }
        if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("unknown column `{}`; {expected}", shorten(unknown)));
        }
        Ok(Self { names, expected })
    }

    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn place(&self, wanted: &str) -> Result<Option<usize>, String> {
        let mut places =
            self.names.iter().enumerate().filter(|(_, name)| *name == wanted).map(|(place, _)| place);
        match (places.next(), places.next()) {
            (Some(_), Some(_)) => Err(format!("two columns are named `{wanted}`; {}", self.expected)),
            (place, _) => Ok(place),
        }
    }

    pub(crate) fn required(&self, wanted: &str) -> Result<usize, String> {
        self.place(wanted)?.ok_or_else(|| format!("no column `{wanted}`; {}", self.expected))
    }
}
