//! Reads a CSV file: records with the number of their first line, and the digest of all bytes read.

pub(crate) mod fault;
pub(crate) mod header;
pub(crate) mod number;
pub(crate) mod time;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};
use sha2::{Digest, Sha256};

/// A file whose header named the columns `C`.
pub(crate) struct CsvFile<C> {
    reader: Reader<Hashing<File>>,
    record: ByteRecord,
    pub(crate) columns: C,
}

impl<C: Default> CsvFile<C> {
    /// Opens the file and reads its header. `of_header` names the fault of one.
    pub(crate) fn open(
        path: &Path,
        of_header: impl FnOnce(&ByteRecord) -> Result<C, String>,
    ) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let reader = records_of(Hashing { inner: file, hasher: Sha256::new(), read: 0, ended: false });
        let mut file = Self { reader, record: ByteRecord::new(), columns: C::default() };
        let Some((line, record)) = file.next().with_context(|| format!("cannot read {}", path.display()))?
        else {
            bail!("{} is empty: its first line must name the columns", path.display());
        };
        let columns = of_header(record);
        file.columns =
            columns.map_err(|reason| anyhow::anyhow!("{}, line {line}: {reason}", path.display()))?;
        Ok(file)
    }

    /// The next record that is not blank, and its first line.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<(u64, &ByteRecord)>> {
        loop {
            if !self.reader.read_byte_record(&mut self.record).map_err(std::io::Error::from)? {
                return Ok(None);
            }
            if self.record.len() == 1 && self.record[0].trim_ascii().is_empty() {
                continue;
            }
            // The reader stands behind the line break, unless it met the end of the file. The line is counted back from
            // there, because the position of a record is the position of the blank lines before it.
            let unterminated = self.reader.get_ref().ended;
            let breaks = self.record.iter().flatten().filter(|&&byte| byte == b'\n').count() as u64;
            let line = self.reader.position().line() - breaks - u64::from(!unterminated);
            return Ok(Some((line, &self.record)));
        }
    }

    /// Bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.reader.get_ref().read
    }

    /// The SHA-256 of the bytes read, in hexadecimal. After all records it is the SHA-256 of the file.
    pub(crate) fn digest(self) -> String {
        hex::encode(self.reader.into_inner().hasher.finalize())
    }
}

/// Only a line feed ends a record, so every line feed counts as one line. A carriage return before it stays at the end
/// of the last field, where white space is cut off.
fn records_of<R: Read>(source: R) -> Reader<R> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(Terminator::Any(b'\n'))
        .buffer_capacity(256 * 1024)
        .from_reader(source)
}

struct Hashing<R> {
    inner: R,
    hasher: Sha256,
    read: u64,
    ended: bool,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.read += count as u64;
        self.ended |= count == 0;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(name: &str, text: &str) -> Vec<(u64, usize)> {
        let path = std::env::temp_dir().join(format!("meterflow-lines-{}-{name}.csv", std::process::id()));
        std::fs::write(&path, format!("customer_id,metric,timestamp,value{text}")).unwrap();
        let mut file = CsvFile::open(&path, |_| Ok(())).unwrap();
        let mut lines = Vec::new();
        while let Some((line, record)) = file.next().unwrap() {
            lines.push((line, record.len()));
        }
        let digest = file.digest();
        let whole = Sha256::digest(std::fs::read(&path).unwrap());
        assert_eq!(digest, hex::encode(whole));
        std::fs::remove_file(&path).unwrap();
        lines
    }

    #[test]
    fn a_record_has_the_line_it_begins_on() {
        for (name, text, expected) in [
            ("plain", "\na,b,c,1\nd,e,f,2\n", vec![(2, 4), (3, 4)]),
            ("unterminated", "\na,b,c,1\nd,e,f,2", vec![(2, 4), (3, 4)]),
            ("crlf", "\r\na,b,c,1\r\nd,e,f,2\r\n", vec![(2, 4), (3, 4)]),
            ("crlf-unterminated", "\r\na,b,c,1\r\nd,e,f,2", vec![(2, 4), (3, 4)]),
            ("blank", "\n\n\na,b,c,1\n\nd,e,f,2\n\n", vec![(4, 4), (6, 4)]),
            ("crlf-blank", "\r\n\r\n\r\na,b,c,1\r\n \r\nd,e,f,2", vec![(4, 4), (6, 4)]),
            ("quoted-breaks", "\n\"a\n\na\",b,c,1\nd,e,f,2\n", vec![(2, 4), (5, 4)]),
            ("quoted-break-at-end", "\n\"a\n\na\",b,c,\"1\n2\"", vec![(2, 4)]),
            ("unclosed", "\na,b,c,1\n\"d,e,f,2\ng,h,i,3\n", vec![(2, 4), (3, 1)]),
            ("none", "\n", vec![]),
        ] {
            assert_eq!(lines(name, text), expected, "{name}");
        }
    }

    #[test]
    fn a_long_file_keeps_count() {
        let text: String = (0..100_000).map(|number| format!("\nc{number},m,t,1")).collect();
        let lines = lines("long", &text);
        assert_eq!(lines.len(), 100_000);
        assert!(lines.iter().enumerate().all(|(index, &(line, _))| line == index as u64 + 2));
    }
}
