//! Masks as `annotations.xml` of "CVAT for images 1.1":
//! <https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/>.

use std::path::Path;

use super::output::{Annex, Output};
use super::selection::Selection;
use super::{ExportError, Exporter, StoredMask, annotations};
use crate::mask::rle::CvatRle;

/// An XML file in the making.
pub(super) struct Cvat {
    output: Output,
    /// The images, which come after the labels; which labels there are is known at the end.
    images: Annex,
    selection: Selection,
    count: u64,
    /// Which ids have a mask.
    seen: [bool; 256],
}

impl Cvat {
    /// Begins the file `out`.
    ///
    /// # Errors
    /// Those of [`Output::create`].
    pub(super) fn create(out: &Path, selection: Selection, overwrite: bool) -> Result<Cvat, ExportError> {
        let output = Output::create(out, overwrite, "annotations.xml")?;
        let images = output.annex()?;
        Ok(Cvat { output, images, selection, count: 0, seen: [false; 256] })
    }
}

impl Exporter for Cvat {
    fn put(&mut self, stored: &StoredMask) -> Result<(), ExportError> {
        let (width, height) = (stored.mask.width, stored.mask.height);
        let (sequence, name) = (stored.sequence, escaped(&annotations::file_name(stored)));
        self.images.put(
            format!("  <image id=\"{sequence}\" name=\"{name}\" width=\"{width}\" height=\"{height}\">\n")
                .as_bytes(),
        )?;
        for (id, rle) in CvatRle::of_classes(&stored.mask) {
            if !self.selection.annotates(id) {
                continue;
            }
            self.seen[usize::from(id)] = true;
            let (label, text) = (escaped(&self.selection.name(id)), rle.text());
            let CvatRle { left, top, width, height, .. } = rle;
            let mask = format!(
                "    <mask label=\"{label}\" source=\"auto\" occluded=\"0\" rle=\"{text}\" left=\"{left}\" top=\"{top}\" \
                 width=\"{width}\" height=\"{height}\" z_order=\"0\">\n    </mask>\n"
            );
            self.images.put(mask.as_bytes())?;
        }
        self.count += 1;
        self.images.put(b"  </image>\n")
    }

    fn finish(mut self: Box<Self>) -> Result<u64, ExportError> {
        let count = self.count;
        let head = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n      \
             <size>{count}</size>\n      <mode>annotation</mode>\n      <labels>\n"
        );
        self.output.put(head.as_bytes())?;
        for id in 0..=255 {
            let is_listed = self.selection.listed().contains(&id) || self.seen[usize::from(id)];
            if !is_listed || !self.selection.annotates(id) {
                continue;
            }
            let (name, [r, g, b]) = (escaped(&self.selection.name(id)), self.selection.color(id));
            let label = format!(
                "        <label>\n          <name>{name}</name>\n          <color>#{r:02x}{g:02x}{b:02x}</color>\n          \
                 <type>mask</type>\n          <attributes>\n          </attributes>\n        </label>\n"
            );
            self.output.put(label.as_bytes())?;
        }
        self.output.put(b"      </labels>\n    </task>\n  </meta>\n")?;
        self.output.put_annex(self.images)?;
        self.output.put(b"</annotations>\n")?;
        self.output.finish()
    }
}

/// Text as XML 1.0 can hold it in an element or an attribute; characters that it cannot hold at all become U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let cases = [
            ("a cat", "a cat"),
            ("<\"R&D\">", "&lt;&quot;R&amp;D&quot;&gt;"),
            ("Straße\n2\u{1}", "Straße 2\u{fffd}"),
        ];
        let wrong: Vec<_> = cases.into_iter().filter(|(text, want)| escaped(text) != *want).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
