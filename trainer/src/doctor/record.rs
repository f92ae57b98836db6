//! What was seen of one picture and its label.

use std::path::Path;

use super::finding::{Kind, Trouble};
use super::mask::{self, MaskFacts};
use super::picture::{self, Facts};
use super::survey::{Item, Label, Survey};
use super::suspect::Judgement;
use crate::data::Target;

/// What was seen of one item.
#[derive(Default)]
pub struct Record {
    /// The picture, where it can be decoded.
    pub facts: Option<Facts>,
    /// The mask, where it has one that can be decoded.
    pub mask: Option<MaskFacts>,
    /// The place of its class in the list.
    pub class: Option<usize>,
    /// What a model says of the label.
    pub judgement: Option<Judgement>,
    /// What is wrong with it on its own.
    pub troubles: Vec<Trouble>,
}

impl Record {
    fn add(&mut self, place: &str, kind: Kind, detail: String) {
        self.troubles.push(Trouble::new(kind, place, detail));
    }
}

/// Looks at an item's files.
pub fn examine(survey: &Survey, item: &Item) -> Record {
    let mut record = Record::default();
    match &item.label {
        Label::Class(class) => record.class = Some(*class),
        Label::Mask(path, place) => examine_mask(survey, path, place, &mut record),
        Label::Missing => {}
    }
    let facts = if let Some(bytes) = item.picture.bytes() {
        let bytes = bytes.map_err(|error| (Kind::Undecodable, error.to_string()));
        bytes.and_then(|bytes| picture::examine(&item.name, &bytes))
    } else {
        decoded(item, &mut record)
    };
    match facts {
        Err((kind, detail)) => record.add(&item.name, kind, detail),
        Ok(mut facts) => {
            for (kind, detail) in facts.troubles.drain(..) {
                record.add(&item.name, kind, detail);
            }
            check_sizes(survey, item, &facts, &mut record);
            record.facts = Some(facts);
        }
    }
    record
}

/// A picture that its format's reader decodes, together with its class.
fn decoded(item: &Item, record: &mut Record) -> Result<Facts, (Kind, String)> {
    let example = item.picture.example().unwrap_or_else(|| Err("it has no bytes".into()));
    let example = example.map_err(|error| (Kind::Undecodable, error))?;
    match example.target {
        Target::Class(class) => record.class = usize::try_from(class).ok(),
        Target::Mask(_) => {}
    }
    let (width, height) = (example.width as u32, example.height as u32);
    Ok(picture::of_pixels(width, height, example.channels == 1, &example.pixels))
}

fn examine_mask(survey: &Survey, path: &Path, place: &str, record: &mut Record) {
    let bytes = std::fs::read(path).map_err(|error| (Kind::MaskUndecodable, error.to_string()));
    match bytes.and_then(|bytes| mask::examine(&bytes)) {
        Err((kind, detail)) => record.add(place, kind, detail),
        Ok((facts, _)) => {
            if facts.has_palette {
                record.add(place, Kind::MaskPalette, String::new());
            }
            let area = u64::from(facts.width) * u64::from(facts.height);
            if survey.ignore.is_some_and(|ignore| facts.counts[usize::from(ignore)] == area) {
                record.add(place, Kind::MaskVoid, String::new());
            }
            record.mask = Some(facts);
        }
    }
}

fn check_sizes(survey: &Survey, item: &Item, facts: &Facts, record: &mut Record) {
    let (width, height) = (facts.width, facts.height);
    if let Some([w, h]) = survey.size.filter(|&size| size != [width, height]) {
        let detail = format!("{width}x{height}, META.json says {w}x{h}");
        record.add(&item.name, Kind::SizeMeta, detail);
    }
    if let Some(mask) = &record.mask
        && (mask.width, mask.height) != (width, height)
    {
        let turned = if (mask.height, mask.width) == (width, height) { ", turned" } else { "" };
        let detail =
            format!("the picture is {width}x{height}, the mask {}x{}{turned}", mask.width, mask.height);
        record.add(&item.name, Kind::SizeDiffers, detail);
    }
}
