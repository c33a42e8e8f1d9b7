//! A list that may exceed memory. Up to 1 MB is kept in memory, and more in a temporary file.
//!
//! Half a million findings are rare, and the function must survive exactly then.

use std::io::{BufRead, BufReader, Seek, Write};
use std::marker::PhantomData;

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::SpooledTempFile;

/// Bytes that are kept in memory: a few thousand findings. So a run needs the same memory for a million customers as
/// for a few.
const IN_MEMORY: usize = 1024 * 1024;

/// A list of `T`, written once and read in the same order.
pub struct Spool<T> {
    file: SpooledTempFile,
    len: u64,
    line: Vec<u8>,
    items: PhantomData<T>,
}

impl<T> Default for Spool<T> {
    fn default() -> Self {
        Self { file: SpooledTempFile::new(IN_MEMORY), len: 0, line: Vec::new(), items: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn push(&mut self, item: &T) -> anyhow::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, item).context("cannot note a finding")?;
        self.line.push(b'\n');
        self.file
            .write_all(&self.line)
            .context("cannot write a finding to the temporary folder: is it full?")?;
        self.len += 1;
        Ok(())
    }

    /// All items, in the order in which they were pushed.
    pub fn read(&mut self) -> anyhow::Result<impl Iterator<Item = anyhow::Result<T>>> {
        self.file.rewind().context("cannot read the findings back")?;
        let lines = BufReader::new(&mut self.file).split(b'\n');
        Ok(lines.map(|line| {
            let line = line.context("cannot read a finding back")?;
            serde_json::from_slice(&line).context("a finding was not read back as it was written")
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_it_got_also_beyond_memory() {
        let item = |n: u64| (n, "x".repeat(100), 0.1 + n as f64);
        for count in [0, 1, 100_000] {
            let mut spool = Spool::new();
            for n in 0..count {
                spool.push(&item(n)).unwrap();
            }
            assert_eq!(spool.file.is_rolled(), count == 100_000);
            assert_eq!(spool.len(), count);
            let read: Vec<_> = spool.read().unwrap().map(Result::unwrap).collect();
            assert_eq!(read.len() as u64, count);
            assert!(read.iter().enumerate().all(|(n, read)| *read == item(n as u64)));
        }
    }
}
