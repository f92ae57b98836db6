//! Masks as COCO's JSON: <https://cocodataset.org/#format-data>, object detection, with run-lengths.

use std::path::Path;

use serde_json::json;

use super::output::{Annex, Output};
use super::selection::Selection;
use super::{ExportError, Exporter, StoredMask, annotations};
use crate::mask::rle::CocoRle;

/// A JSON file in the making. An annotation is all of a class in one mask; ids of categories are those of the classes,
/// ids of images the places in the store.
pub(super) struct Coco {
    /// Begins with the images.
    output: Output,
    /// The annotations, which come after all images.
    annotations: Annex,
    selection: Selection,
    images: u64,
    annotated: u64,
    /// Which ids have an annotation.
    seen: [bool; 256],
}

impl Coco {
    /// Begins the file `out`.
    ///
    /// # Errors
    /// Those of [`Output::create`].
    pub(super) fn create(out: &Path, selection: Selection, overwrite: bool) -> Result<Coco, ExportError> {
        let mut output = Output::create(out, overwrite, "masks.json")?;
        let about = json!({
            "description": "Masks of classes, exported by sedge",
            "version": env!("CARGO_PKG_VERSION"),
        });
        output.put(format!("{{\n\"info\": {about},\n\"licenses\": [],\n\"images\": [").as_bytes())?;
        let annotations = output.annex()?;
        Ok(Coco { output, annotations, selection, images: 0, annotated: 0, seen: [false; 256] })
    }
}

/// What comes before an element of a list.
fn separator(before: u64) -> &'static str {
    if before == 0 { "\n" } else { ",\n" }
}

impl Exporter for Coco {
    fn put(&mut self, stored: &StoredMask) -> Result<(), ExportError> {
        let (mask, meta) = (&stored.mask, &stored.meta);
        let mut image = json!({
            "id": stored.sequence,
            "width": mask.width,
            "height": mask.height,
            "file_name": annotations::file_name(stored),
            "frame": meta.frame,
            "time_s": meta.time.as_secs_f64(),
        });
        if let Some((monotonic_s, utc)) = annotations::captured(stored) {
            image["monotonic_s"] = json!(monotonic_s);
            image["date_captured"] = json!(utc);
        }
        self.output.put(format!("{}{image}", separator(self.images)).as_bytes())?;
        self.images += 1;
        for (id, rle) in CocoRle::of_classes(mask) {
            if !self.selection.annotates(id) {
                continue;
            }
            self.seen[usize::from(id)] = true;
            let annotation = json!({
                // From 1: pycocotools takes a ground truth called 0 for none.
                "id": self.annotated + 1,
                "image_id": stored.sequence,
                "category_id": id,
                "segmentation": { "size": [rle.height, rle.width], "counts": rle.compressed() },
                "area": rle.area(),
                "bbox": rle.bounding_box(),
                // Crowds are left out of training and evaluation by most tools, which run-lengths are not a reason for.
                "iscrowd": 0,
            });
            self.annotations.put(format!("{}{annotation}", separator(self.annotated)).as_bytes())?;
            self.annotated += 1;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64, ExportError> {
        let selection = &self.selection;
        // Also an id that no class of the store has, where a mask holds it.
        let ids = (0..=255).filter(|&id| {
            selection.annotates(id) && (selection.listed().contains(&id) || self.seen[usize::from(id)])
        });
        let categories: Vec<String> = ids
            .map(|id| {
                let (name, color) = (selection.name(id), selection.color(id));
                json!({ "id": id, "name": name, "supercategory": "", "color": color }).to_string()
            })
            .collect();
        self.output.put(b"\n],\n\"annotations\": [")?;
        self.output.put_annex(self.annotations)?;
        self.output
            .put(format!("\n],\n\"categories\": [\n{}\n]\n}}\n", categories.join(",\n")).as_bytes())?;
        self.output.finish()
    }
}
