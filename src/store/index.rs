//! The index of a folder of masks: one line of JSON a frame.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StoreError;

/// Name of the index in the folder of a run.
pub(super) const INDEX: &str = "index.jsonl";

/// One line of the index: a frame whose mask is whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The frame's number in its source.
    pub frame: u64,
    /// Seconds since the source's first frame.
    pub time_s: f64,
    /// The mask, a file in the same folder.
    pub file: String,
    /// Width of the mask in pixels.
    pub width: u32,
    /// Height of the mask in pixels.
    pub height: u32,
    /// What the source calls the frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A picture of the frame with the mask over it, a file in the same folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay: Option<String>,
    /// Pixels of each class that occurs, by its name.
    pub pixels: BTreeMap<String, u64>,
}

/// The entries of the index in `folder`, in the order of writing. A torn last line, which a process that was killed
/// can leave behind, does not count.
///
/// # Errors
/// [`StoreError::Disk`] without an index, [`StoreError::Index`] for a damaged line before the last.
pub fn read_index(folder: &Path) -> Result<Vec<Entry>, StoreError> {
    let path = folder.join(INDEX);
    let bytes = fs::read(&path).map_err(StoreError::disk("read", &path))?;
    Ok(parse(&bytes, &path)?.0)
}

/// The entries in the bytes of an index, and how many of the bytes are whole lines.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<(Vec<Entry>, u64), StoreError> {
    let mut entries = Vec::new();
    let mut whole = 0;
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let last = whole + line.len() == bytes.len();
        match serde_json::from_slice(line) {
            Ok(entry) if line.ends_with(b"\n") => entries.push(entry),
            _ if last => break,
            Ok(_) => unreachable!("only the last line can lack its end"),
            Err(error) => {
                let reason = error.to_string();
                return Err(StoreError::Index { path: path.to_owned(), line: number + 1, reason });
            }
        }
        whole += line.len();
    }
    Ok((entries, whole as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(frame: u64) -> String {
        format!(
            "{{\"frame\":{frame},\"time_s\":0.5,\"file\":\"a.png\",\"width\":1,\"height\":1,\"pixels\":{{}}}}\n"
        )
    }

    #[test]
    fn whole_lines_count() {
        let (a, b) = (line(0), line(1));
        let unended = b.trim_end();
        // Name, bytes, frames read, whole bytes; or the number of the damaged line.
        type Case<'a> = (&'a str, String, Result<(Vec<u64>, usize), usize>);
        let cases: Vec<Case> = vec![
            ("empty", String::new(), Ok((vec![], 0))),
            ("two lines", format!("{a}{b}"), Ok((vec![0, 1], a.len() + b.len()))),
            ("torn in a line", format!("{a}{}", &b[..20]), Ok((vec![0], a.len()))),
            ("torn before the line's end", format!("{a}{unended}"), Ok((vec![0], a.len()))),
            ("zeros at the end, as after a power cut", format!("{a}\0\0\0"), Ok((vec![0], a.len()))),
            ("damaged in the middle", format!("{a}x\n{b}"), Err(2)),
        ];
        let mut wrong = Vec::new();
        for (name, bytes, expected) in cases {
            let got = match parse(bytes.as_bytes(), Path::new("i")) {
                Ok((entries, whole)) => Ok((entries.iter().map(|e| e.frame).collect(), whole as usize)),
                Err(StoreError::Index { line, .. }) => Err(line),
                Err(other) => panic!("{other}"),
            };
            if got != expected {
                wrong.push(format!("{name}: {got:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
